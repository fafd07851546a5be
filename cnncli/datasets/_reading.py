"""How image files are read: by how many threads, and what becomes of those that cannot be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from cnncli.datasets._decoded import Skipped
from cnncli.datasets._files import listing
from cnncli.errors import DataError
from cnncli.pipeline import ahead

Given = TypeVar("Given")
Made = TypeVar("Made")

AT_ONCE = 8  # images that a thread decodes without being asked again
PROBES = 3  # times that it is done by the caller, to see how long it takes
# Seconds for so many images that are worth a thread. Python lets one thread at a time do everything but the decoding
# proper; taking turns costs more than it saves up to about 0.6 ms an image (measured on two cores: images of 28x28
# pixels take twice as long by two threads, those of 400x400 two thirds).
WORTH = 0.005
MAX_BAD = 0.01  # share of images that may be skipped, where nothing is said


def _nobody(*_: object) -> None:
    """Where nobody wants to be told."""


@dataclass(frozen=True)
class Reading:
    """How image files are read.

    Attributes
    ----------
    workers : int
        Threads that decode; with 0 the caller's own does, as it does with images too small to be worth a thread.
    skip : bool
        Leave out images that cannot be read; otherwise they are an error.
    max_bad : int or float
        So many may be left out of a part, or such a share of it.
    cache : Path or None
        Folder for decoded images.
    progress : callable
        Told how many images are decoded, and of how many.
    warn : callable
        Told what goes wrong without changing any result.
    """

    workers: int = 0
    skip: bool = False
    max_bad: int | float = MAX_BAD
    cache: Path | None = None
    progress: Callable[[int, int], None] = _nobody
    warn: Callable[[str], None] = _nobody

    def check(self, bad: Sequence[Skipped], images: int, name: str) -> None:
        """Raise DataError where images that cannot be read must not, or can not, be left out."""
        problems = [image.reason for image in bad]
        if not self.skip:
            raise DataError(listing(problems, "unreadable images"))
        allowed = self.max_bad if isinstance(self.max_bad, int) else int(self.max_bad * images)
        if len(bad) > allowed or len(bad) == images:
            limit = self.max_bad if isinstance(self.max_bad, int) else f"{100 * self.max_bad:g} %"
            message = f"{name}: {len(bad):,} of {images:,} images cannot be read, data.max_bad allows {limit}:"
            raise DataError(f"{message}\n{listing(problems, 'unreadable images')}")

    def in_order(self, make: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[Made]:
        """``map(make, items)``, by the workers if making one takes long enough; an item stands for `AT_ONCE` images."""
        rest = iter(items)
        if self.workers:
            shortest = float("inf")
            for item in islice(rest, PROBES):
                began = time.perf_counter()
                made = make(item)
                shortest = min(shortest, time.perf_counter() - began)
                yield made
            if shortest >= WORTH:
                yield from ahead(make, rest, self.workers)
                return
        yield from map(make, rest)
