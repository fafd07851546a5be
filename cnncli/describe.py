"""The options of a dataclass as data: for the config reference, and bad values for the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from cnncli.fields import fits, options, plain, show, type_text


@dataclass(frozen=True)
class Row:
    """One option as documentation shows it; `default` is None where the option is required."""

    name: str
    type: str
    default: str | None
    constraint: str
    doc: str


def describe(cls: type) -> list[Row]:
    """The options of a dataclass, in the order of their declaration."""
    return [
        Row(
            name=option.name,
            type=type_text(option.kind),
            default=None if option.required else show(plain(option.default)),
            constraint=", ".join(constraint.text for constraint in option.constraints),
            doc=option.doc,
        )
        for option in options(cls)
    ]


def invalid_examples(cls: type) -> Iterator[tuple[str, Any]]:
    """Values that `from_mapping` must refuse, as (option, value): a wrong type, and one for each constraint."""
    for option in options(cls):
        yield option.name, {"no such key": 0}
        for constraint in option.constraints:
            yield option.name, _shaped(option.kind, constraint.invalid)


def _shaped(kind: Any, value: Any) -> Any:
    """A bad value in the form that the type wants: itself, or as each entry of a list."""
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if isinstance(value, list) or any(fits(member, value) for member in members):
        return value
    entries = next(get_args(member) for member in members if get_origin(member) in (list, tuple))
    return [value] * (1 if entries[-1] is ... else len(entries))
