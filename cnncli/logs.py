"""Files that grow by whole lines, and how numbers stand in them."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from cnncli.files import write_failure


class Log:
    """A file that grows by whole lines. What cannot be written is kept, and tried again with the next line."""

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self.path = path
        self._warn, self._warned = warn, False
        self._pending = b""

    def lines(self) -> list[str]:
        """What the file holds; nothing where it cannot be read."""
        try:
            return self.path.read_text(errors="replace").splitlines(keepends=True)
        except OSError:
            return []

    def append(self, line: str, header: str = "") -> None:
        """Write a line, after the header where the file is new."""
        self._pending += line.encode(errors="backslashreplace")  # names of files need not be UTF-8
        try:
            with self.path.open("ab", buffering=0) as file:
                size = file.tell()
                text = self._pending if size else header.encode() + self._pending
                if file.write(text) < len(text):
                    file.truncate(size)  # no half lines
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._pending = b""
        except OSError as error:
            if not self._warned:
                self._warn(f"{write_failure(error, self.path)}; the training goes on")
            self._warned = True


def csv_line(values: Iterable[Any]) -> str:
    """A line of numbers and names; nothing stands for None."""
    return ",".join("" if value is None else str(value) for value in values) + "\n"


def json_line(row: Mapping[str, Any]) -> str:
    """A line of strict JSON, which knows neither NaN nor infinity."""
    return json.dumps(_finite(row)) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
