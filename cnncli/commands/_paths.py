"""The image files that a command line names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import BinaryIO

STDIN = "-"
LONGEST = 2**16  # bytes of a line that are looked at
AHEAD = 1024  # lines that are read before they are wanted


def expanded(images: Iterable[str]) -> Iterator[str]:
    """Files as they are, the images in folders, and what matches the patterns that the shell left alone."""
    for image in images:
        if os.path.isdir(image):
            yield from below(image)
        elif not os.path.lexists(image) and glob.has_magic(image):
            yield from sorted(glob.glob(image, recursive=True)) or [image]
        else:
            yield image


def below(folder: str) -> Iterator[str]:
    """The image files in a folder and below it in natural order, without hidden ones; DataError if one is closed."""
    from cnncli.datasets._files import failure, natural_key
    from cnncli.datasets._images import SUFFIXES

    def refuse(error: OSError) -> None:
        raise failure(error.filename, error) from None

    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        for name in sorted(files, key=natural_key):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES:
                yield os.path.join(root, name)


def listed(listing: str) -> Iterator[str | None]:
    """The lines of a file, or of stdin as they come: None where the next one is not there yet."""
    from cnncli.datasets._files import failure

    try:
        if listing == STDIN:
            # Not sys.stdin, and never closed: both would wait for the thread that waits for a line, and Python aborts.
            stdin = open(0, "rb", closefd=False)  # noqa: SIM115
            yield from _as_they_come(_lines(stdin))
        else:
            with open(listing, "rb") as file:
                yield from _lines(file)
    except OSError as error:
        raise failure(listing, error) from None


def lines_of(path: Path) -> list[str]:
    """The lines of a small file, without empty ones and those that begin with #."""
    from cnncli.datasets._files import failure

    try:
        with path.open("rb") as file:
            return [line for line in _lines(file) if not line.startswith("#")]
    except OSError as error:
        raise failure(str(path), error) from None


def _lines(file: BinaryIO) -> Iterator[str]:
    """Lines that are not empty, without their ends; of one that is too long for a path, its beginning."""
    while line := file.readline(LONGEST):
        begun = line
        while len(line) == LONGEST and not line.endswith(b"\n"):
            line = file.readline(LONGEST)
        if text := begun.rstrip(b"\r\n"):
            yield os.fsdecode(text)


def _as_they_come(items: Iterator[str]) -> Iterator[str | None]:
    """The items, and None before each that has to be waited for."""
    queue: Queue[str | OSError | None] = Queue(AHEAD)

    def read() -> None:
        try:
            for item in items:
                queue.put(item)
            queue.put(None)
        except OSError as error:
            queue.put(error)

    Thread(target=read, name="list", daemon=True).start()
    while True:
        if queue.empty():
            yield None
        item = queue.get()
        if item is None:
            return
        if isinstance(item, OSError):
            raise item
        yield item
