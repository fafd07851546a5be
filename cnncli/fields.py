"""Options as typed dataclass fields: one declaration gives the check, the message, the documentation and bad examples.

A field's annotation is the type that is expected in YAML, its constraints and its line of documentation stand beside
it. `from_mapping` turns plain data into an instance and reports every problem it meets, not only the first.

Annotations may be ``int``, ``float`` (also takes whole numbers), ``bool``, ``str``, `Pair`, ``Literal[...]``,
``tuple[X, Y]``, ``tuple[X, ...]``, ``list[X]``, unions of these, another dataclass (a mapping), or a class that reads
itself: one with ``accepts`` (a text) and a class method ``parse(value)`` that raises ValueError; its text, or what its
``plain`` returns, is what `parse` reads again; ``schema()`` says the same as JSON Schema.
"""

from __future__ import annotations

import dataclasses
import math
import types
from contextlib import suppress
from dataclasses import MISSING, dataclass
from functools import cache
from keyword import iskeyword
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from cnncli.constraints import Constraint, at_least, between, not_empty, odd, one_of, positive, unique
from cnncli.registry import closest, suggest

__all__ = [
    "Constraint", "Option", "Pair", "Path", "Problem", "at_least", "between", "field", "fits", "from_mapping",
    "not_empty", "odd", "one_of", "options", "plain", "positive", "show", "to_mapping", "type_text", "unique",
]  # fmt: skip

Path = tuple[str | int, ...]
Pair = tuple[int, int]  # rows and columns; in YAML one whole number for both, or a list of two

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """Something wrong at a place in the data; `at_key` if the key rather than its value is to be pointed at."""

    path: Path
    message: str
    at_key: bool = False


def field(*constraints: Constraint, default: Any = MISSING, doc: str = "") -> Any:
    """Declare an option of a dataclass; without a default it is required."""
    return dataclasses.field(default=default, metadata={"constraints": constraints, "doc": doc})


@dataclass(frozen=True)
class Option:
    """What a dataclass declares about one of its fields; `default` is `dataclasses.MISSING` where it has none.

    `name` is the key in the data; where Python reserves it, as ``lambda``, the attribute ends in an underscore.
    """

    name: str
    kind: Any
    default: Any
    constraints: tuple[Constraint, ...]
    doc: str

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def attribute(self) -> str:
        return f"{self.name}_" if iskeyword(self.name) else self.name


_type_hints = cache(get_type_hints)


def options(cls: Any) -> tuple[Option, ...]:
    """The options of a dataclass, in the order of their declaration."""
    hints = _type_hints(cls)
    return tuple(
        Option(
            f.name.removesuffix("_"),
            hints[f.name],
            f.default,
            f.metadata.get("constraints", ()),
            f.metadata.get("doc", ""),
        )
        for f in dataclasses.fields(cls)
        if f.init
    )


def from_mapping(cls: type[T], mapping: Any, path: Path, problems: list[Problem]) -> T | None:
    """Build a dataclass from plain data, or return None and add everything that is wrong to `problems`.

    Parameters
    ----------
    mapping : dict or None
        Options by name; None is an empty mapping, as YAML reads a key without a value.
    path : tuple of str and int
        Where the mapping stands, for the problems.
    """
    if mapping is None:
        mapping = {}
    declared = options(cls)
    allowed = [option.name for option in declared]
    if not isinstance(mapping, dict):
        problems.append(Problem(path, f"must be a mapping with the keys {', '.join(allowed)}; found {show(mapping)}"))
        return None
    found: list[Problem] = []
    meant = set()  # options that are not missing but misspelt
    for key in mapping:
        if key not in allowed:
            meant.add(closest(str(key), allowed))
            message = f"unknown key {show(key)}; {suggest(str(key), allowed)}"
            found.append(Problem((*path, key), message, at_key=True))
    values = {}
    for option in declared:
        if option.name in mapping:
            values[option.attribute] = _checked(option, mapping[option.name], (*path, option.name), found)
        elif option.required and option.name not in meant:
            message = f"{option.name!r} is missing" + (f": {option.doc}" if option.doc else "")
            found.append(Problem(path, message, at_key=True))
    if not found:  # then nothing is missing either
        try:
            return cls(**values)
        except ValueError as error:  # a dataclass may check options against each other in __post_init__
            found.append(Problem(path, str(error), at_key=True))
    problems.extend(found)
    return None


def to_mapping(instance: Any) -> dict[str, Any]:
    """The reverse of `from_mapping`, with all defaults; only a None that is the default is left out."""
    pairs = ((option, getattr(instance, option.attribute)) for option in options(type(instance)))
    return {option.name: plain(value) for option, value in pairs if not (value is None and option.default is None)}


def plain(value: Any) -> Any:
    """A field's value as YAML would give it."""
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if hasattr(value, "accepts"):
        return value.plain() if hasattr(value, "plain") else str(value)
    return to_mapping(value) if dataclasses.is_dataclass(value) else value


def show(value: Any) -> str:
    """A value as a message shows it: like YAML, on one line, cut if it is long, without control characters."""
    if value is None:
        text = "nothing"
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, list):
        text = f"[{', '.join(map(show, value[:20]))}]"
    elif isinstance(value, dict):
        text = f"{{{', '.join(f'{key}: {show(entry)}' for key, entry in list(value.items())[:20])}}}"
    else:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_INVALID = object()


def _checked(option: Option, value: Any, path: Path, problems: list[Problem]) -> Any:
    """Convert, and check the constraints if the type is right."""
    found: list[Problem] = []
    result = _convert(option.kind, value, path, found, option.constraints)
    if not found:
        for constraint in option.constraints:
            _check(constraint, value, path, found)
    problems.extend(found)
    return result


def _check(constraint: Constraint, value: Any, path: Path, problems: list[Problem]) -> None:
    if isinstance(value, constraint.kinds) and not isinstance(value, bool):
        if not constraint.holds(value):
            problems.append(Problem(path, f"must be {constraint.text}, found {show(value)}"))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            _check(constraint, entry, (*path, index), problems)


def _convert(
    kind: Any, value: Any, path: Path, problems: list[Problem], constraints: tuple[Constraint, ...] = ()
) -> Any:
    """`value` as an instance of `kind`, or `_INVALID` after adding to `problems`."""
    if not fits(kind, value):
        limits = [constraint.text for constraint in constraints if _concerns(constraint, kind)]
        wanted = ", ".join([type_text(kind), *limits])
        problems.append(Problem(path, f"must be {wanted}; found {show(value)}{_hint(kind, value)}"))
        return _INVALID
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, path, problems, constraints)
    if kind == Pair and type(value) is int:
        return value, value
    if origin in (list, tuple):
        kinds = [args[0]] * len(value) if origin is list or args[-1] is ... else args
        entries = zip(kinds, value, strict=True)
        return origin(_convert(k, entry, (*path, i), problems, constraints) for i, (k, entry) in enumerate(entries))
    if hasattr(kind, "read"):
        return kind.read(value, path, problems)
    if hasattr(kind, "parse"):
        try:
            return kind.parse(value)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
            return _INVALID
    if dataclasses.is_dataclass(kind):
        return from_mapping(kind, value, path, problems)  # type: ignore[arg-type]
    return float(value) if kind is float else value


def _convert_union(
    members: tuple[Any, ...], value: Any, path: Path, problems: list[Problem], constraints: tuple[Constraint, ...]
) -> Any:
    """The first member that takes the value; if none does, the problems that the first likely one has with it."""
    failures = []
    for member in members:
        if fits(member, value):
            found: list[Problem] = []
            result = _convert(member, value, path, found, constraints)
            if not found:
                return result
            failures.append(found)
    problems.extend(failures[0])
    return _INVALID


def fits(kind: Any, value: Any) -> bool:
    """Whether a value has the outer form of a type; the entries of lists and mappings are looked at later."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(member, value) for member in args)
    if origin is Literal:
        return any(type(value) is type(allowed) and value == allowed for allowed in args)
    if kind == Pair and type(value) is int:
        return fits(int, value)
    if origin in (list, tuple):
        return isinstance(value, list) and (origin is list or args[-1] is ... or len(value) == len(args))
    if kind is int:
        return type(value) is int and abs(value) < 2**63
    if kind is float:
        return fits(int, value) or (type(value) is float and math.isfinite(value))
    if hasattr(kind, "accepts"):
        return True
    return isinstance(value, dict) if dataclasses.is_dataclass(kind) else type(value) is kind


def _concerns(constraint: Constraint, kind: Any) -> bool:
    """Whether a type, or what it is made of, takes values of the constraint's sort."""
    return fits(kind, constraint.invalid) or any(_concerns(constraint, part) for part in get_args(kind))


def _hint(kind: Any, value: Any) -> str:
    """What a user who wrote a number for a text, 1e3 for a whole number, or '0,5' for 0.5, has to write instead."""
    if kind is str and type(value) in (int, float, bool):
        return f"; put it in quotes: '{show(value)}'"
    if kind in (int, float) and isinstance(value, str):
        with suppress(ValueError):
            value = float(value.replace(",", "."))
    if kind is int and type(value) is float and value.is_integer():
        return f"; did you mean {int(value)}?"
    return f"; did you mean {value:g}?" if kind is float and type(value) is float and math.isfinite(value) else ""


def _choices(kind: Any, plural: bool = False) -> list[str]:
    return [show(value) for value in get_args(kind)] if get_origin(kind) is Literal else [type_text(kind, plural)]


def type_text(kind: Any, plural: bool = False) -> str:
    """A type in words."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _either([text for member in args for text in _choices(member, plural)])
    if origin is Literal:
        return _either(_choices(kind))
    if kind == Pair:
        return "whole numbers or lists of two" if plural else "a whole number or a list of two"
    if origin in (list, tuple):
        count = "" if origin is list or args[-1] is ... else f"{len(args)} "
        return f"{'lists' if plural else 'a list'} of {count}{type_text(args[0], plural=True)}"
    if hasattr(kind, "accepts"):
        return str(kind.accepts)
    if dataclasses.is_dataclass(kind):
        return f"a mapping with the keys {', '.join(f.name for f in dataclasses.fields(kind))}"
    one, several = {
        int: ("a whole number", "whole numbers"),
        float: ("a number", "numbers"),
        bool: ("true or false", "true or false"),
        str: ("text", "texts"),
        types.NoneType: ("nothing", "nothing"),
    }[kind]
    return several if plural else one


def _either(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
