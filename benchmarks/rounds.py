"""Timing in turns: every side lives in a process of its own and is asked for some tenths of a second at a time.

In turns, because the speed of a machine drifts: what two sides do one after the other within a second is comparable,
what they do a minute apart is not.

In processes, because PyTorch brings an OpenMP runtime of its own and both read the same variables. It matters little:
medians of a training step of LeNet-5, batch 64, on two busy cores, three to five runs of each, in ms, were for PyTorch
3.3 to 3.8 alone, 3.1 to 3.4 in one process with ours, 3.5 to 3.8 there if our GOMP_SPINCOUNT is set before PyTorch is
loaded; for ours 1.2 to 1.4 everywhere. One run alone (10.6) and one together (5.3) were disturbed and are left out.
Separate processes leave each side its own settings.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

WARM_UP = 0.03  # seconds of calls before those that count: threads wake up, caches fill


class Worker:
    """An object in another process; `ask` calls its methods.

    Parameters
    ----------
    make : callable
        Makes the object, in that process.
    environment : mapping of str to str
        Variables for that process.
    args
        Of `make`.
    """

    def __init__(self, make: Callable[..., Any], environment: Mapping[str, str], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            self._process = context.Process(target=_serve, args=(theirs, make, args), daemon=True)
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()
        self._answer()

    def ask(self, method: str, *args: Any) -> Any:
        """What a method of the object returns; what it raises ends the program with one line."""
        self._connection.send((method, args))
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer, error = self._connection.recv()
        except EOFError:
            sys.exit("a benchmark process died")
        if error:
            sys.exit(error)
        return answer

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._connection.send(None)
        self._process.join()


def _serve(connection: Connection, make: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Answer questions until there are no more."""
    try:
        served = make(*args)
        connection.send((None, ""))
        while question := connection.recv():
            method, args = question
            connection.send((getattr(served, method)(*args), ""))
    except (EOFError, KeyboardInterrupt):  # nobody asks any more
        pass
    except Exception as error:
        connection.send((None, f"{type(error).__name__}: {error}"))


def seconds_of_calls(call: Callable[[], object], seconds: float) -> list[float]:
    """Times of as many calls as fit, at least two, after some that do not count."""
    clock = time.perf_counter
    end = clock() + WARM_UP
    call()
    while clock() < end:
        call()
    found: list[float] = []
    end = clock() + seconds
    while len(found) < 2 or clock() < end:
        began = clock()
        call()
        found.append(clock() - began)
    return found


def alternate(turns: Sequence[tuple[str, Callable[[], list[float]]]], rounds: int) -> dict[str, dict[str, float]]:
    """Let everyone have a turn, round after round.

    Parameters
    ----------
    turns : sequence of (name, callable)
        In the order of a round, a name may come several times; the callable gives times in seconds.
    rounds : int

    Returns
    -------
    dict of str to dict
        By name ``median_ms``, over rounds of the median of the turn, and ``min_ms``, of all.
    """
    found: dict[str, list[list[float]]] = {name: [] for name, _ in turns}
    for _ in range(rounds):
        for name, turn in turns:
            found[name].append(turn())
    return {
        name: {"median_ms": 1e3 * median(map(median, times)), "min_ms": 1e3 * min(map(min, times))}
        for name, times in found.items()
    }


def between(ours: tuple[str, Any], others: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Turns of a round in which ours come before each of the others."""
    return [turn for other in others for turn in (ours, other)]


def need(script: str, *modules: str) -> None:
    """End with one line where a module of the extra `bench` is not installed."""
    for module in modules:
        if find_spec(module) is None:
            sys.exit(f"{script} needs {module}: pip install 'cnncli[bench]'")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side, all but the first flush right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    )
