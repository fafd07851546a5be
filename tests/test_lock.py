"""The lock of a run folder: within a machine by `flock`, between machines by signs of life."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cnncli import lock
from cnncli.errors import RunInUse
from cnncli.lock import Lock, in_use

OTHER = "process 7 on another since 2026-01-01 00:00:00"
HERE = f"process 7 on {os.uname().nodename} since 2026-01-01 00:00:00"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life ten times a second, and half a second of silence."""
    monkeypatch.setattr(lock, "BEAT", 0.1)
    monkeypatch.setattr(lock, "SILENCE", 0.5)
    monkeypatch.setattr(lock, "LOOK", 0.05)


@pytest.fixture
def no_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: Any) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)


@contextmanager
def alive(path: Path) -> Iterator[None]:
    """Another machine's process, which holds the file meanwhile."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.1):
            os.utime(path)

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()


def taken(path: Path, warnings: list[str] | None = None) -> float:
    """Seconds that it takes to get the lock."""
    began = time.monotonic()
    Lock(path, (warnings if warnings is not None else []).append).release()
    return time.monotonic() - began


@pytest.mark.parametrize("time_for_one", [False, True])
def test_signs_of_life_are_given_when_it_is_time(
    path: Path, time_for_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOOK", 0.0 if time_for_one else 60.0)
    held = Lock(path, print)
    assert path.read_text().startswith(f"process {os.getpid()} on {os.uname().nodename} since ")
    os.utime(path, (1, 1))
    held.beat()
    assert (path.stat().st_mtime > 1) == time_for_one
    held.release()
    assert path.read_text() == ""


@pytest.mark.parametrize("delay", [0.06, 0.15])
def test_who_has_lost_it_finds_out_and_lets_the_other_have_it(path: Path, delay: float) -> None:
    """Soon where several began at once, else with the next sign of life."""
    held = Lock(path, print)
    path.write_text(OTHER)
    time.sleep(delay)
    with pytest.raises(RunInUse, match=f"in use by {OTHER}"):
        held.beat()
    held.release()
    assert path.read_text() == OTHER


def test_a_living_process_of_another_machine_is_left_alone(path: Path) -> None:
    path.write_text(OTHER)
    warnings: list[str] = []
    with alive(path), pytest.raises(RunInUse, match=f"in use by {OTHER}"):
        taken(path, warnings)
    assert path.read_text() == OTHER
    (warning,) = warnings
    assert f"was in use by {OTHER} less than a minute ago" in warning


def test_a_dead_process_of_another_machine_is_waited_for(path: Path) -> None:
    path.write_text(OTHER)
    assert taken(path) >= 0.4
    path.write_text(OTHER)
    os.utime(path, (time.time() + 1000,) * 2)  # by a clock that is ahead
    assert taken(path) >= 0.4


def test_whether_it_is_in_use_is_told_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SILENCE", 30.0)
    assert not in_use(path)
    held = Lock(path, print)
    assert in_use(path)
    held.release()
    assert not in_use(path)
    for holder, expected in ((HERE, False), (OTHER, True)):
        path.write_text(holder)
        assert in_use(path) == expected
        assert path.read_text() == holder
    os.utime(path, (time.time() - 31,) * 2)
    assert not in_use(path)


@pytest.mark.usefixtures("no_flock")
def test_whether_it_is_in_use_is_told_without_flock(path: Path) -> None:
    path.write_text(HERE)
    assert in_use(path)


def test_nobody_waits_without_need(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SILENCE", 30.0)
    for left in ("", "a note of somebody's", HERE):  # on this machine `flock` knows who lives
        path.write_text(left)
        assert taken(path) < 10
    path.write_text(OTHER)
    os.utime(path, (time.time() - 31,) * 2)
    warnings: list[str] = []
    assert taken(path, warnings) < 10
    assert not warnings


@pytest.mark.usefixtures("no_flock")
def test_without_flock_signs_of_life_decide_on_one_machine_too(path: Path) -> None:
    warnings: list[str] = []
    assert taken(path, warnings) < 0.4
    assert len(warnings) == 1
    assert "cannot be locked (Function not implemented)" in warnings[0]
    path.write_text(HERE)
    assert taken(path) >= 0.4
    held = Lock(path, warnings.append)
    with alive(path), pytest.raises(RunInUse, match=f"process {os.getpid()} on"):
        Lock(path, warnings.append)
    held.release()


@pytest.mark.usefixtures("no_flock")
def test_of_two_that_take_it_at_once_the_last_to_write_has_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOOK", 1.0)
    rival = threading.Timer(0.3, lambda: path.write_text(OTHER))
    rival.start()
    with pytest.raises(RunInUse, match=OTHER):
        Lock(path, lambda _: None)
    rival.join()
