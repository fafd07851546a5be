"""What a sweep tries: ``KEY=VALUE`` arguments of which some have several values, or a range.

Values stay the text they are on the command line, which is what a training is started with.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cnncli import yamlio
from cnncli.errors import SpecError

DIGITS = 4  # of numbers within a range: what more would say is lost in the noise of training
MOST = 10_000  # values of a key, and trials of a sweep
LINEAR_POINTS = 5  # of a range of fractions in a grid, where nothing says how many

_NUMBER = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(log:)?({_NUMBER})\.\.({_NUMBER})(\(log\))?(?::(\d+))?")
_MEANT_AS_RANGE = re.compile(rf"log:|{_NUMBER}\.\.|\.\.{_NUMBER}$")
_FORMS = "a range is written 1..8, 0.1..0.5, log:1e-4..1e-1, or with a number of points log:1e-4..1e-1:4"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, whole ones where both are; `log` if their logarithms are spread evenly."""

    low: float
    high: float
    log: bool

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def text(self, value: float) -> str:
        """A number of the range as the command line has it, with few digits."""
        if self.whole:
            return str(min(max(round(value), int(self.low)), int(self.high)))
        return repr(min(max(float(f"{value:.{DIGITS}g}"), float(self.low)), float(self.high)))

    def at(self, share: float) -> str:
        """The number that lies so far between both ends, from 0 to 1; each whole number has an equal part of that."""
        low, high = float(self.low), float(self.high)
        if self.whole and not self.log:
            return self.text(math.floor(low + share * (high - low + 1)))
        if self.log:
            return self.text(low * (high / low) ** share)
        return self.text(low + share * (high - low))

    def points(self, count: int) -> tuple[str, ...]:
        """So many numbers, evenly spread, with both ends; fewer where there are not so many whole ones."""
        low, high = float(self.low), float(self.high)
        shares = [i / (count - 1) for i in range(count)]
        numbers = [low * (high / low) ** s if self.log else low + s * (high - low) for s in shares]
        return tuple(dict.fromkeys(map(self.text, numbers)))

    def grid(self) -> tuple[str, ...]:
        """The points in a grid where nothing says how many: all whole numbers, powers of ten, or five.

        Raises
        ------
        SpecError
            There are too many.
        """
        if self.log:
            return self.points(max(3, round(math.log10(self.high / self.low)) + 1))
        count = int(self.high) - int(self.low) + 1 if self.whole else LINEAR_POINTS
        if count > MOST:
            raise SpecError(
                f"a grid of {self.low}..{self.high} has {count:,} values; {self.low}..{self.high}:5 has five"
            )
        return self.points(count)


@dataclass(frozen=True)
class Axis:
    """A key with the values that are tried: these texts, or (where there are none) any of a range."""

    key: str
    texts: tuple[str, ...] = ()
    range: Range | None = None

    @property
    def grid(self) -> tuple[str, ...]:
        """Its values in a grid."""
        return self.range.grid() if self.range else self.texts

    def at(self, share: float) -> str:
        """The value that lies so far between the first and the last, from 0 to 1."""
        return (
            self.range.at(share) if self.range else self.texts[min(int(share * len(self.texts)), len(self.texts) - 1)]
        )

    @property
    def ends(self) -> tuple[str, ...]:
        """Values that say whether a config takes them all."""
        return (self.range.text(self.range.low), self.range.text(self.range.high)) if self.range else self.texts


class Line(NamedTuple):
    """The arguments after a config: what all trainings have, and what is tried."""

    fixed: tuple[str, ...]
    axes: tuple[Axis, ...]


def read(arguments: Iterable[str]) -> Line:
    """Tell keys with several values from those with one.

    Raises
    ------
    SpecError
        With a line for every value that cannot be understood.
    """
    fixed: list[str] = []
    axes: dict[str, Axis] = {}
    problems = []
    for argument in arguments:
        key, _, text = argument.partition("=")
        try:
            axis = _axis(key, text)
            if key in axes:
                raise ValueError("is given values twice")
        except ValueError as error:
            problems.append(f"command line: {key}: {error}")
            continue
        if axis is None:
            fixed.append(argument)
        else:
            axes[key] = axis
    for argument in fixed:
        if (key := argument.partition("=")[0]) in axes:
            problems.append(f"command line: {key}: is given values twice")
    if problems:
        raise SpecError("\n".join(problems))
    return Line(tuple(fixed), tuple(axes.values()))


def _axis(key: str, text: str) -> Axis | None:
    """What is tried for a key; None where it has one value."""
    pieces = [piece.strip() for piece in _split(text)]
    if len(pieces) == 1:
        return _range_axis(key, pieces[0]) if _MEANT_AS_RANGE.match(pieces[0]) else None
    seen: dict[str, str] = {}
    for piece in pieces:
        if not piece:
            listed = ",".join(filter(None, pieces))
            hint = f"; did you mean {listed}?" if listed else ""
            raise ValueError(f"has nothing before or after a comma in {text!r}{hint}")
        if _MEANT_AS_RANGE.match(piece):
            raise ValueError(f"{piece!r} is a range and stands alone, not between commas; or list its values")
        same = canonical(piece, key)
        if same in seen:
            twice = piece if seen[same] == piece else f"{seen[same]} and {piece}"
            raise ValueError(f"has the same value twice in {text!r}: {twice}")
        seen[same] = piece
    return Axis(key, tuple(pieces))


def _range_axis(key: str, text: str) -> Axis:
    match = _RANGE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no range: {_FORMS}")
    before, first, last, behind, count = match.groups()
    low, high = (yamlio.parse(number, key)[0] for number in (first, last))
    found = Range(low, high, bool(before or behind))
    if low > high:
        raise ValueError(f"the range {text!r} is empty, as {first} is more than {last}; did you mean {last}..{first}?")
    if low == high:
        raise ValueError(f"the range {text!r} has one value; write {key}={first}")
    if found.log and low <= 0:
        raise ValueError(
            f"the range {text!r} begins at {first}, which has no logarithm; begin above 0, as in 1e-4..{last}"
        )
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"the range {text!r} has no end")
    if count is None:
        return Axis(key, range=found)
    if int(count) < 2:
        raise ValueError(f"the range {text!r} needs at least 2 points")
    if int(count) > MOST:
        raise ValueError(f"the range {text!r} has more than {MOST:,} points")
    return Axis(key, found.points(int(count)))


def _split(text: str) -> list[str]:
    """The pieces between commas that stand in no brackets and no quotes."""
    pieces, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and not depth and not quote:
            pieces.append("")
        else:
            pieces[-1] += letter
    return pieces


def value(text: str, key: str = "") -> Any:
    """What a text means as YAML.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        return yamlio.parse(text, key)[0]
    except yamlio.YamlError as error:
        raise ValueError(f"{text!r}: {error.reason}") from None


def canonical(text: str, key: str = "") -> str:
    """The one text for all that mean the same: ``1e-1`` is ``0.1``."""
    found = value(text, key)
    return json.dumps(float(found) if isinstance(found, int) and not isinstance(found, bool) else found, sort_keys=True)


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Keys by their last parts, as many as tell them apart."""
    names = {}
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1)]
        clear = (end for end in ends if sum(f".{other}".endswith(f".{end}") for other in keys) == 1)
        names[key] = next(clear, key)
    return names
