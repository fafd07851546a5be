"""Decoded images on the disk, mapped into memory: decoded once, and as many as the disk holds.

An entry is a ``.npy`` file and notes in JSON, called by a hash of everything that decides the pixels: names, sizes,
times of modification and of change (which no copying keeps) of the files, what is made of them, and the version of the
decoder. So nothing is ever out of date: what has changed has another name. Hashing the contents instead would have to
read all files, which takes as long as decoding small ones. Entries that nobody has used for a month are removed when
another is written.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.datasets._mapped import open_mapped
from cnncli.files import replace_file

VERSION = 1  # of what decoding gives
WORTH = 2**26  # bytes to read and to decode: less is done within seconds
KEEP_FREE = 2**30  # bytes of the disk that are left to others
MONTH = 30 * 86400

Filled = tuple[np.ndarray, dict[int, str]]  # images, and what is wrong with those that could not be read


def default_folder() -> Path:
    """``CNN_CACHE``, or ``cnncli`` in the user's folder for caches as XDG has it."""
    if own := os.environ.get("CNN_CACHE"):
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "cnncli"


def load(folder: Path, key: str) -> Filled | None:
    """An entry, read-only; None where there is none, or one that is damaged."""
    path = folder / f"{key}.npy"
    try:
        notes = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        images = open_mapped(path)
        os.utime(path)  # it is in use
        return images[: notes["images"]], {int(place): text for place, text in notes["problems"].items()}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None


def store(folder: Path, key: str, fill: Callable[[Callable[..., np.ndarray]], Filled]) -> Filled:
    """Make an entry: `fill` is given what allocates an array of a shape and type.

    Raises
    ------
    OSError
        It cannot be written; nothing of it is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_old(folder)
    made: list[Path] = []

    def allocate(shape: tuple[int, ...], dtype: type) -> np.ndarray:
        path = folder / f".{key}.{os.getpid()}.{len(made)}.tmp"
        if shutil.disk_usage(folder).free < int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize + KEEP_FREE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        made.append(path)
        array: Any = np.lib.format.open_memmap(path, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):  # a page that the disk has no room for would be a SIGBUS later
            with open(path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array

    try:
        images, problems = fill(allocate)
        notes = {"images": len(images), "problems": problems}
        replace_file(folder / f"{key}.json", [json.dumps(notes).encode()])
        del images  # the last reference: written to the disk, as far as the system wants it
        os.replace(made[-1], folder / f"{key}.npy")
    finally:
        for path in made:
            with suppress(OSError):
                path.unlink()
    entry = load(folder, key)
    if entry is None:
        raise OSError(errno.EIO, "what was written cannot be read", str(folder / f"{key}.npy"))
    return entry


def _remove_old(folder: Path) -> None:
    """Whoever has an entry mapped keeps it: its name goes, its pages stay."""
    for path in folder.iterdir():
        with suppress(OSError):
            if path.suffix in (".npy", ".json", ".tmp") and time.time() - path.stat().st_mtime > MONTH:
                path.unlink()
