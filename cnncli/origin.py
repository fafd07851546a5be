"""From problems in a config to messages that say where: file, line and column, or the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cnncli.errors import SpecError
from cnncli.fields import Path, Problem

if TYPE_CHECKING:
    from cnncli.yamlio import Marks

_Order = tuple[int, int]
_LAST = 2**31  # as a line number: sorts what has none behind what has one


@dataclass(frozen=True)
class Source:
    """Where an entry of the written-out model stands: in a block it has a path of its own, and one of its use."""

    path: Path
    used: Path = ()


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
    sources : mapping of Path to Source
        Where entries stand that were written out of blocks.
    """

    source: str
    marks: Marks = field(default_factory=dict)
    overridden: tuple[Path, ...] = ()
    labels: Mapping[Path, str] = field(default_factory=dict)
    sources: Mapping[Path, Source] = field(default_factory=dict)

    def error(self, problems: Iterable[Problem]) -> SpecError:
        """All problems as one error, a line each, in the order of the file.

        What is wrong with a block, or with an entry that is repeated, is said once, for the first use.
        """
        found: dict[tuple[_Order, str], list[str]] = {}
        for problem in problems:
            written_out = self.sources.get(problem.path[:2])
            source = written_out or Source(problem.path[:2])
            order, place = self._locate((*source.path, *problem.path[2:]), problem.at_key)
            label = self._label(problem.path)
            line = f"{place}: {label}: {problem.message}" if label else f"{place}: {problem.message}"
            if source.used:
                changed = ", changed on the command line" if self._changes(source.used) else ""
                line += f" (used at {self._locate(source.used, True)[1]}{changed})"
            found.setdefault((order, problem.message if written_out else line), []).append(line)
        lines = []
        for _, same in sorted(found.items(), key=lambda item: item[0][0]):
            more = len(set(same)) - 1
            lines.append(f"{same[0][:-1]} and {more} more)" if more and same[0].endswith(")") else same[0])
        return SpecError("\n".join(lines))

    def is_overridden(self, path: Path) -> bool:
        """Whether the entry, or all of something that holds it, was set on the command line."""
        return any(path[: len(done)] == done for done in self.overridden)

    def _changes(self, path: Path) -> bool:
        """Whether the command line has set something in an entry."""
        return any(done[: len(path)] == path for done in self.overridden)

    def _locate(self, path: Path, at_key: bool) -> tuple[_Order, str]:
        """What an entry is sorted by, and its place."""
        while True:
            exists = path in self.marks
            for number, done in enumerate(self.overridden):
                if path[: len(done)] == done or (not exists and done[: len(path)] == path):
                    return (_LAST, number), "command line"
            if exists or not path:
                break
            path, at_key = path[:-1], True
        if not exists:
            return (_LAST, 0), self.source
        place = self.marks[path].key if at_key else self.marks[path].value
        return place, f"{self.source}:{place.line}:{place.column}"

    def _label(self, path: Path) -> str:
        length = next((n for n in range(len(path), 0, -1) if path[:n] in self.labels), 0)
        parts = [self.labels[path[:length]]] if length else []
        parts += [str(part) if str(part).isprintable() else ascii(part) for part in path[length:]]
        return ".".join(parts)
