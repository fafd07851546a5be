"""The lock of a run folder: one process at a time, also of several machines that share a file system.

Where a file system knows `flock`, that decides, and ends with the process, however that ends. Not every network file
system does, or only within one machine. So the holder also gives a sign of life: four times a minute, between steps, it
touches the file, which tells who it is. Who finds there a process of another machine waits until a minute has gone by
without one, so that nobody has to say that a dead one is dead. One that lives but was silent for a minute, as it may be
while it reads many images, loses the file; it finds that out with its next sign, and ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cnncli.errors import RunInUse
from cnncli.files import write_failure

BEAT = 15.0  # seconds between two signs of life
SILENCE = 60.0  # seconds without one after which a process is gone
LOOK = 0.5  # seconds between two looks
TIME = "%Y-%m-%d %H:%M:%S"
_HOLDER = re.compile(r"process \d+ on (.*) since [-\d]+ [:\d]+")


class Lock:
    """A file that this process holds until `release`.

    Parameters
    ----------
    path : Path
        The file; made if there is none.
    warn : callable
        Told what keeps the file from being locked, and how long is waited.

    Raises
    ------
    RunInUse
        Another process holds it.
    OutputError, IOFailure
        It cannot be made or written.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._folder = path.parent
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise write_failure(error, path) from error
        try:
            self._take(path, warn)
        except BaseException:
            os.close(self._file)
            raise
        self._next = time.monotonic() + LOOK  # of several that began at once the last to write has it

    def _take(self, path: Path, warn: Callable[[str], None]) -> None:
        try:
            why_not = _flock(self._file)
        except BlockingIOError:
            raise self._in_use() from None
        if why_not:
            reason = why_not.strerror
            warn(f"{path}: cannot be locked ({reason}); other processes are known by their signs of life alone")
        if rest := _rest(self._file, locked=not why_not):
            self._wait_for_silence(rest, warn)
        self._own = f"process {os.getpid()} on {os.uname().nodename} since {time.strftime(TIME)}"
        self._write(path, self._own)
        if why_not:
            time.sleep(LOOK)
            self._check()

    def _check(self) -> None:
        """Raise RunInUse if another process has taken the file."""
        if _holder(self._file) != self._own:
            raise self._in_use()

    def _in_use(self) -> RunInUse:
        return RunInUse(f"{self._folder}: in use by {_holder(self._file) or 'another process'}")

    def _write(self, path: Path, holder: str) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, holder.encode(), 0)
        except OSError as error:
            raise write_failure(error, path) from error

    def _wait_for_silence(self, rest: float, warn: Callable[[str], None]) -> None:
        """So many seconds; RunInUse with a sign of life."""
        found, holder = os.fstat(self._file).st_mtime, _holder(self._file)
        warn(f"{self._folder}: was in use by {holder} less than a minute ago; waiting {rest:.0f} s for a sign of life")
        end = time.monotonic() + rest
        while time.monotonic() < end:
            time.sleep(LOOK)
            if os.fstat(self._file).st_mtime != found:
                raise self._in_use()

    def beat(self) -> None:
        """Give a sign of life, if it is time for one; not by a thread, for which there may be no memory.

        Raises
        ------
        RunInUse
            Another process has taken the file, as this one was silent for too long.
        """
        if (now := time.monotonic()) >= self._next:
            self._next = now + BEAT
            with suppress(OSError):
                self._check()
                os.utime(self._file)

    def release(self) -> None:
        """Let others have it, at once, if no other has."""
        with suppress(OSError, RunInUse):
            self._check()
            os.ftruncate(self._file, 0)
        os.close(self._file)


def in_use(path: Path) -> bool:
    """Whether a process holds a file, as far as can be told without waiting or changing anything."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise write_failure(error, path) from error
    try:
        return _rest(file, locked=not _flock(file)) > 0
    except BlockingIOError:
        return True
    finally:
        os.close(file)


def _flock(file: int) -> OSError | None:
    """Lock a file, or tell why its file system cannot; BlockingIOError where another process has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:  # some network file systems
        return error
    return None


def _holder(file: int) -> str:
    return os.pread(file, 300, 0).decode(errors="replace")


def _rest(file: int, locked: bool) -> float:
    """Seconds until the process that a file names is gone; 0 where `flock` knows better, or it names none."""
    known = _HOLDER.fullmatch(_holder(file))
    if not known or (locked and known[1] == os.uname().nodename):
        return 0.0
    return max(SILENCE - max(time.time() - os.fstat(file).st_mtime, 0.0), 0.0)
