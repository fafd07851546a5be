"""Work done ahead: in order, bounded, and whatever goes wrong with it ends it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cnncli import pipeline
from cnncli.errors import DataError, IOFailure
from cnncli.pipeline import Crew, ahead, processes, threads

Hire = Callable[[Callable[[Any], Any], int], Crew[Any, Any]]


def late(item: int) -> tuple[int, int]:
    """The first of some take longer, so that later ones are done before."""
    time.sleep(0.002 * (3 - item % 4))
    return item, os.getpid()


def refuse(item: int) -> int:
    if item == 3:
        raise DataError(f"{item}: no")
    return item


def die(item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(params=[threads, processes])
def crew(request: pytest.FixtureRequest) -> Hire:
    hire: Hire = request.param
    return hire


def asked_for(count: int) -> tuple[Iterator[int], list[int]]:
    """Numbers, and a list of those that were asked for."""
    asked: list[int] = []

    def items() -> Iterator[int]:
        for item in range(count):
            asked.append(item)
            yield item

    return items(), asked


@pytest.mark.parametrize("workers", [1, 3])
def test_in_order_and_only_a_few_ahead(crew: Hire, workers: int) -> None:
    items, asked = asked_for(30)
    for place, (item, _) in enumerate(ahead(late, items, workers, crew=crew)):
        assert item == place
        assert len(asked) <= place + 2 * workers + 1


def test_processes_are_others() -> None:
    made = {pid for _, pid in ahead(late, range(20), 2, crew=processes)}
    assert os.getpid() not in made
    assert {pid for _, pid in ahead(late, range(20), 2, crew=threads)} == {os.getpid()}


def test_processes_know_what_this_one_does() -> None:
    """It is not sent to them, which would take its time for each item, and not all of it can be."""
    lock = threading.Lock()
    assert list(ahead(lambda item: (item, lock.locked()), range(3), 2, crew=processes)) == [
        (k, False) for k in range(3)
    ]


def test_what_is_urgent_is_made_before_more_is_asked_for(crew: Hire) -> None:
    items, asked = asked_for(20)
    for item, _ in ahead(late, items, 2, lambda item: item % 5 == 0, crew):
        if item % 5 == 0:
            assert asked[-1] == item


def test_errors_come_as_they_are(crew: Hire) -> None:
    found: list[int] = []
    with pytest.raises(DataError, match="3: no"):
        found.extend(ahead(refuse, range(100), 2, crew=crew))
    assert found == [0, 1, 2]


def test_a_process_that_is_killed_is_told_of() -> None:
    with pytest.raises(IOFailure, match="a process that helps has ended"):
        list(ahead(die, range(3), 2, crew=processes))


@pytest.mark.parametrize("made", [0, 1])
def test_this_thread_does_it_where_processes_cannot_be_made(made: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fork, made_so_far = os.fork, []

    def limited() -> int:
        if len(made_so_far) == made:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        made_so_far.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", limited)
    assert list(ahead(late, range(7), 2, crew=processes)) == [(item, os.getpid()) for item in range(7)]
    with pytest.raises(DataError, match="3: no"):
        list(ahead(refuse, range(7), 2, crew=processes))
    for process in multiprocessing.active_children():
        process.join(10)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("nth", [1, 2])
def test_this_thread_does_it_where_those_of_the_processes_cannot_be_made(
    nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that keep the processes: the first raises, the second ends the first, and nothing would ever come."""
    begin, begun = threading.Thread.start, []

    def limited(self: threading.Thread) -> None:
        begun.append(1)
        if len(begun) == nth:
            raise RuntimeError("can't start new thread")
        begin(self)

    monkeypatch.setattr(pipeline, "START", 1.0)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(threading.Thread, "start", limited)
    assert {pid for _, pid in ahead(late, range(3), 2, crew=processes)} == {os.getpid()}
    for process in multiprocessing.active_children():
        process.join(10)
    assert not multiprocessing.active_children()
