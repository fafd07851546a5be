"""Reading files that may be missing, damaged or hostile: bounded, and with one clear line when it fails."""

from __future__ import annotations

import errno
import os
import re
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from cnncli import runtime
from cnncli.errors import CnnError, DataError, IOFailure, MissingError

# deflate cannot shrink its input further than this, so a header that promises more than the file could hold is a lie
DEFLATE_LIMIT = 1032
LISTED = 20
LONGEST = 1000  # letters of a name that are shown
_NUMBER = re.compile("[0-9]+")


def shown(text: object) -> str:
    """`text` fit for one line of a terminal: control characters and undecodable bytes become question marks.

    The middle of what is much longer than any path is left out.
    """
    text = str(text)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def natural_key(name: str) -> tuple[str, str]:
    """Sort key that counts as people do: ``2`` before ``10``, ``a9`` before ``a10``."""
    return _NUMBER.sub(_length_first, name), name


def _length_first(number: re.Match[str]) -> str:
    """A number as text that sorts by value, before all other text."""
    digits = number[0].lstrip("0")
    return f"\0{chr(len(digits))}{digits}"


def listing(problems: Sequence[str], what: str) -> str:
    """All problems below one another, or the first 20 and how many there are."""
    if len(problems) <= LISTED:
        return "\n".join(problems)
    return "\n".join([*problems[:LISTED], f"... and {len(problems) - LISTED} more: {len(problems)} {what} in all"])


def failure(path: object, error: OSError) -> CnnError:
    """The error of this package that says what the operating system said about `path`."""
    if isinstance(error, FileNotFoundError):
        return MissingError(f"{shown(path)}: there is no such file or folder")
    kind = IOFailure if error.errno == errno.EIO else DataError
    return kind(f"{shown(path)}: cannot be read: {error.strerror or shown(error)}")


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file for reading; a folder, device or pipe (which might never end) raises DataError."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise DataError(f"{shown(path)}: is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}")
    return open(path, "rb")


def fill(stream: Any, array: np.ndarray) -> tuple[int, str]:
    """Read into a contiguous array until it is full.

    Returns
    -------
    found : int
        Bytes read; fewer than ``array.nbytes`` where the stream ends early or is damaged.
    reason : str
        What was wrong with the compressed data, or nothing.
    """
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    found = 0
    try:
        while found < len(view) and (count := stream.readinto1(view[found:])):
            found += count
    except (EOFError, zlib.error) as error:
        return found, shown(error)
    return found, ""


def check_memory(path: object, nbytes: int) -> None:
    """Refuse, before anything is allocated, what needs more memory than may be used."""
    if nbytes > (limit := runtime.memory_limit()):
        raise DataError(
            f"{shown(path)}: needs {nbytes / 1e9:.1f} GB, and {limit / 1e9:.1f} GB may be used "
            f"(four fifths of the memory; {runtime.MAX_MEMORY} says otherwise)"
        )
