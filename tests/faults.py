"""System calls that fail, for tests of what is left on the disk."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CALLS = ("open", "fsync", "link", "replace", "unlink")


@contextmanager
def failing(at: int, error: BaseException, forever: bool = False) -> Iterator[list[str]]:
    """Make the system call of that number raise; `forever` all later ones too, as if the process had died there.

    Yields the names of the calls made.
    """
    made: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            made.append(name)
            if len(made) - 1 == at or (forever and len(made) > at):
                raise error
            return real(*args, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, wrap(name, getattr(os, name)))
        yield made


class Death(BaseException):
    """Ends a function without its being able to clean up."""
