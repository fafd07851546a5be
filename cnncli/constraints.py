"""Conditions on the values of fields, as data: messages, documentation and tests are made from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Constraint:
    """A condition as data: `text` completes "must be ...", `invalid` is a value that breaks it.

    It applies to a value of one of its `kinds`, and to such entries of a list. `schema` says the same in JSON Schema.
    """

    text: str
    holds: Callable[[Any], bool]
    invalid: Any
    kinds: tuple[type, ...] = (int, float)
    schema: Mapping[str, Any] = field(default_factory=dict)


positive = Constraint("greater than 0", lambda value: value > 0, 0, schema={"exclusiveMinimum": 0})
odd = Constraint("odd", lambda value: value % 2 == 1, 2, schema={"not": {"multipleOf": 2}})
unique = Constraint(
    "all different",
    lambda values: len(set(map(repr, values))) == len(values),
    ["a", "a"],
    (list,),
    {"uniqueItems": True},
)
not_empty = Constraint("not empty", bool, "", (str,), {"minLength": 1})


def at_least(low: float) -> Constraint:
    """Numbers from `low` on."""
    return Constraint(f"at least {low}", lambda value: value >= low, low - 1, schema={"minimum": low})


def between(low: float, high: float, ends: Literal["[]", "[)", "(]", "()"] = "[]") -> Constraint:
    """Numbers of an interval; a round bracket leaves that end out."""
    low_end = f"at least {low}" if ends[0] == "[" else f"greater than {low}"
    high_end = f"at most {high}" if ends[1] == "]" else f"less than {high}"
    return Constraint(
        f"{low_end} and {high_end}",
        lambda value: low <= value <= high and (ends[0] == "[" or value != low) and (ends[1] == "]" or value != high),
        high + 1 if ends[1] == "]" else high,
        schema={
            "minimum" if ends[0] == "[" else "exclusiveMinimum": low,
            "maximum" if ends[1] == "]" else "exclusiveMaximum": high,
        },
    )


def one_of(*values: Any) -> Constraint:
    """One of the given values; for texts `Literal` in the annotation says it better."""
    invalid = max(values) + 1 if all(isinstance(value, (int, float)) for value in values) else "no such value"
    text = " or ".join(map(repr, values))
    return Constraint(text, values.__contains__, invalid, (type(values[0]),), {"enum": list(values)})
