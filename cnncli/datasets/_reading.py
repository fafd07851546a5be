"""How image files are read: by how many threads, and what becomes of those that cannot be read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cnncli.datasets._decoded import Skipped
from cnncli.datasets._files import listing
from cnncli.errors import DataError

Given = TypeVar("Given")
Made = TypeVar("Made")

MAX_BAD = 0.01  # share of images that may be skipped, where nothing is said


def _nobody(*_: object) -> None:
    """Where nobody wants to be told."""


@dataclass(frozen=True)
class Reading:
    """How image files are read.

    Attributes
    ----------
    workers : int
        Threads that decode; with 0 the caller's own does.
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
        """``map(make, items)`` by the workers; only a few items are ahead of what has been asked for."""
        if not self.workers:
            yield from map(make, items)
            return
        pool = ThreadPoolExecutor(self.workers, "decode")
        try:
            waiting: deque[Future[Made]] = deque()
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > 2 * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
