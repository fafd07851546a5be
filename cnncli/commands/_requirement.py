"""``--require``: what a number of the results must be at least or at most, for scripts."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Any

import click

_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_PATTERN = re.compile(r"\s*([\w.]+)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(%?)\s*")


@dataclass(frozen=True)
class Requirement:
    """A comparison such as ``accuracy>=0.97``."""

    text: str
    name: str
    sign: str
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a number fulfils it."""
        return bool(_SIGNS[self.sign](value, self.bound))

    def shown(self, value: float) -> str:
        """A number as the requirement writes its own."""
        if isnan(value):
            return "none"
        return f"{100 * value:.6g} %" if self.text.endswith("%") else f"{value:.6g}"


class RequirementType(click.ParamType):
    """The text of a requirement."""

    name = "requirement"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Requirement:
        if isinstance(value, Requirement):
            return value
        if (match := _PATTERN.fullmatch(value)) is None:
            self.fail(
                f"{value!r}: write it like accuracy>=0.97 or loss<0.2, in quotes because of the shell", param, context
            )
        return Requirement(value.strip(), match[1], match[2], float(match[3]) / (100 if match[4] else 1))


def check(requirements: Sequence[Requirement], values: Mapping[str, Any]) -> None:
    """Compare the numbers of a result, ``macro.f1`` standing for one within another.

    Raises
    ------
    click.UsageError
        There is no such number.
    CheckFailed
        A requirement does not hold; all that do not are named.
    """
    from cnncli.errors import CheckFailed
    from cnncli.registry import suggest

    numbers = dict(_numbers(values))
    failed = []
    for wanted in requirements:
        if wanted.name not in numbers:
            raise click.UsageError(
                f"--require {wanted.text}: no number {wanted.name!r}; {suggest(wanted.name, numbers)}"
            )
        value = numbers[wanted.name]
        if not wanted.holds(value):
            failed.append(f"required {wanted.text}, found {wanted.shown(value)}")
    if failed:
        raise CheckFailed("\n".join(failed))


def _numbers(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append((prefix + name, float(value)))
        elif value is None:  # such as the loss of a network whose numbers have ended: it fulfils nothing
            found.append((prefix + name, nan))
    return found
