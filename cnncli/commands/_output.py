"""Files that the user asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnncli import launch
from cnncli.errors import OutputError
from cnncli.files import replace_file, write_failure


def write_output(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a link stays a link, a device or a pipe is written into.

    Of several processes the first does it.

    Raises
    ------
    OutputError, IOFailure
        It cannot be created or written.
    """
    if launch.join().rank:
        return
    target = path.resolve()
    if target.is_file() or not target.exists():
        replace_file(target, [content])
        return
    try:
        target.write_bytes(content)
    except OSError as error:
        raise write_failure(error, path) from error


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that is new or empty.

    Raises
    ------
    OutputError, IOFailure
        It holds something, or cannot be written.
    """
    try:
        path.mkdir(exist_ok=True)
        if any(path.iterdir()):
            raise OutputError(f"{path}: exists and is not empty; choose another name with -o")
    except OSError as error:
        raise write_failure(error, path) from error
    for name, content in files.items():
        replace_file(path / name, [content])
