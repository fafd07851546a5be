"""From problems in a config to messages that say where: file, line and column, or the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnncli.errors import SpecError
from cnncli.fields import Path, Problem

if TYPE_CHECKING:
    from cnncli.yamlio import Marks

_LAST = 2**31  # as a line number: sorts what has none behind what has one


@dataclass(frozen=True)
class Origin:
    """Where a config came from.

    Attributes
    ----------
    source : str
        Name of the file (or of what holds the config), as the user knows it.
    marks : Marks
        Place of every entry of the file; empty if there is no text to point into.
    overridden : tuple of Path
        What the command line has set.
    labels : mapping of Path to str
        How a message calls an entry, where that is not its path: layers are called by name.
    """

    source: str
    marks: Marks = field(default_factory=dict)
    overridden: tuple[Path, ...] = ()
    labels: Mapping[Path, str] = field(default_factory=dict)

    def error(self, problems: Iterable[Problem]) -> SpecError:
        """All problems as one error, a line each, in the order of the file."""
        located = sorted((self._locate(problem) for problem in problems), key=lambda item: item[0])
        return SpecError("\n".join(dict.fromkeys(line for _, line in located)))

    def is_overridden(self, path: Path) -> bool:
        """Whether the entry, or all of something that holds it, was set on the command line."""
        return any(path[: len(done)] == done for done in self.overridden)

    def _locate(self, problem: Problem) -> tuple[tuple[int, int], str]:
        """The line for a problem, and what it is sorted by."""
        label = self._label(problem.path)
        message = f"{label}: {problem.message}" if label else problem.message
        path, at_key = problem.path, problem.at_key
        while True:
            exists = path in self.marks
            for number, done in enumerate(self.overridden):
                if path[: len(done)] == done or (not exists and done[: len(path)] == path):
                    return (_LAST, number), f"command line: {message}"
            if exists or not path:
                break
            path, at_key = path[:-1], True
        if not exists:
            return (_LAST, 0), f"{self.source}: {message}"
        place = self.marks[path].key if at_key else self.marks[path].value
        return place, f"{self.source}:{place.line}:{place.column}: {message}"

    def _label(self, path: Path) -> str:
        length = next((n for n in range(len(path), 0, -1) if path[:n] in self.labels), 0)
        parts = [self.labels[path[:length]]] if length else []
        parts += [str(part) if str(part).isprintable() else ascii(part) for part in path[length:]]
        return ".".join(parts)
