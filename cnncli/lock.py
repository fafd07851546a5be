"""The lock of a run folder: one process at a time, also of several machines that share a file system.

Where a file system knows `flock`, that decides, and ends with the process, however that ends. Not every network file
system does, or only within one machine. So the holder also gives a sign of life: four times a minute, between steps, it
touches the file, which tells who it is. Who finds there a process of another machine waits until a minute has gone by
without one. Nobody has to say that a dead one is dead, and nobody can say so of a living one.
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
_TIME = "%Y-%m-%d %H:%M:%S"
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
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise write_failure(error, path) from error
        try:
            self._take(path, warn)
        except BaseException:
            os.close(self._file)
            raise
        self._next = time.monotonic() + BEAT

    def _take(self, path: Path, warn: Callable[[str], None]) -> None:
        locked = True
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunInUse(f"{path.parent}: in use by {self._holder() or 'another process'}") from None
        except OSError as error:  # some network file systems
            locked = False
            warn(f"{path}: cannot be locked ({error.strerror}); other processes are known by their signs of life alone")
        holder = self._holder()
        known = _HOLDER.fullmatch(holder)
        if known and not (locked and known[1] == os.uname().nodename):
            self._wait_for_silence(path.parent, holder, warn)
        own = f"process {os.getpid()} on {os.uname().nodename} since {time.strftime(_TIME)}"
        self._write(path, own)
        if not locked:
            time.sleep(LOOK)  # of several that waited for the same silence, the last to write has it
            if (holder := self._holder()) != own:
                raise RunInUse(f"{path.parent}: in use by {holder}")

    def _holder(self) -> str:
        return os.pread(self._file, 300, 0).decode(errors="replace")

    def _write(self, path: Path, holder: str) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, holder.encode(), 0)
        except OSError as error:
            raise write_failure(error, path) from error

    def _wait_for_silence(self, folder: Path, holder: str, warn: Callable[[str], None]) -> None:
        """Until `SILENCE` has passed since the last sign of life; RunInUse with the next one."""
        found = os.fstat(self._file).st_mtime
        rest = SILENCE - max(time.time() - found, 0)
        if rest <= 0:
            return
        warn(f"{folder}: was in use by {holder} less than a minute ago; waiting {rest:.0f} s for a sign of life")
        end = time.monotonic() + rest
        while time.monotonic() < end:
            time.sleep(LOOK)
            if os.fstat(self._file).st_mtime != found:
                raise RunInUse(f"{folder}: in use by {holder}")

    def beat(self) -> None:
        """Give a sign of life, if it is time for one; not by a thread, for which there may be no memory."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + BEAT
            with suppress(OSError):
                os.utime(self._file)

    def release(self) -> None:
        """Let others have it, at once."""
        with suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)
