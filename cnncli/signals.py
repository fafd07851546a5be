"""Stopping in good order: a signal sets a flag, which the loops poll between steps; nothing is saved inside a handler.

The second Ctrl-C leaves at once with exit code 130, except that a save under way, marked by `finishing`, is finished.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
INTERRUPTED = 130

# Signals belong to the process, and so does the answer to "is a save under way?".
_saves_under_way = 0
_leaving = False


class StopRequest:
    """Context manager under which INT, TERM and USR1 ask for a stop instead of ending the process.

    The object is true once a stop was asked for::

        with StopRequest() as stop:
            for step in steps:
                ...
                if stop:
                    save()
                    raise Interrupted(f"stopped by {stop.signal.name}")

    Attributes
    ----------
    signal : signal.Signals or None
        The first signal received.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._interrupts = 0

    def __bool__(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> StopRequest:
        self._previous = {number: signal.signal(number, self._receive) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or signal.Signals(number)
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1:
            _leave()


@contextmanager
def finishing() -> Iterator[None]:
    """Let the body (or, as a decorator, the function) finish before a second Ctrl-C ends the process."""
    global _saves_under_way
    _saves_under_way += 1
    try:
        yield
    finally:
        _saves_under_way -= 1
        if _leaving:
            _leave()


def _leave() -> None:
    global _leaving
    _leaving = True
    if not _saves_under_way:
        os._exit(INTERRUPTED)  # an exception could be swallowed, or wait for threads
