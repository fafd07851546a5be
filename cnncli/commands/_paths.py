"""The image files that a command line names."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

STDIN = "-"


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


def listed(listing: str) -> list[str]:
    """The lines of a file, or of stdin."""
    from cnncli.datasets._files import failure

    try:
        text = sys.stdin.buffer.read() if listing == STDIN else Path(listing).read_bytes()
    except OSError as error:
        raise failure(listing, error) from None
    return [os.fsdecode(line) for line in text.splitlines() if line]
