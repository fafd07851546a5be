"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cnncli.errors import CnnError, IOFailure, OutputError
from cnncli.signals import finishing


def replace_file(path: Path, chunks: Iterable[bytes | memoryview], previous: Path | None = None) -> None:
    """Write a file whole or not at all.

    It is written under a temporary name in the same folder, synced and renamed, and the folder is synced; only then
    does the function return.

    Parameters
    ----------
    path : Path
        The file; once there is one, it is at no instant missing or incomplete.
    chunks : iterable of bytes-like
        The contents.
    previous : Path, optional
        Where the replaced file is kept.

    Raises
    ------
    OutputError, IOFailure
        The file cannot be created or written; the old one is unchanged and the temporary one removed. Where only the
        folder cannot be synced, the new file is in place.
    """
    temporary = _temporary(path)
    try:
        with finishing():
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                with open(descriptor, "wb") as file:
                    file.writelines(chunks)
                    file.flush()
                    os.fsync(descriptor)
                if previous:
                    _keep(path, previous)
                os.replace(temporary, path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
            sync_folder(path.parent)
    except OSError as error:
        if not isinstance(error, FileExistsError):  # there the temporary file is what stands in the way
            error.filename = path
        raise write_failure(error, path) from error


def write_failure(error: OSError, path: Path) -> CnnError:
    """The error to raise instead: `IOFailure` where the disk is full or fails, else `OutputError`."""
    disk = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
    return (IOFailure if disk else OutputError)(f"{error.filename or path}: cannot be written: {error.strerror}")


def sync_folder(path: Path) -> None:
    """Make the folder's entries (names created, replaced) survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a network file system that cannot sync folders
            raise
    finally:
        os.close(descriptor)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _keep(path: Path, previous: Path) -> None:
    """Give the file a second name, `previous`; through a link, so that the first one stays until it is replaced."""
    link = _temporary(previous)
    try:
        os.link(path, link)
        os.replace(link, previous)
    except OSError:  # no hard links here; from now to the end of the save `previous` is the newest
        with suppress(FileNotFoundError):  # nothing to keep yet
            os.replace(path, previous)
    finally:
        with suppress(OSError):  # it remains where `previous` was already a link to this very file
            os.unlink(link)
