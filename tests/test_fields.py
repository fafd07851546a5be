"""Options from plain data: what is taken, what is refused and in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from cnncli import registry
from cnncli.describe import Row, describe, invalid_examples
from cnncli.fields import (
    Pair,
    Problem,
    at_least,
    between,
    field,
    from_mapping,
    odd,
    one_of,
    positive,
    show,
    to_mapping,
    unique,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    low: float = field(doc="lower end")
    high: float = field(default=1.0, doc="upper end")

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not exceed high")


class Colour:
    accepts: ClassVar[str] = "a colour such as #ff0000"

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def parse(cls, value: Any) -> Colour:
        if not isinstance(value, str) or not value.startswith("#"):
            raise ValueError(f"must be {cls.accepts}")
        return cls(value)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Options:
    count: int = field(at_least(1), doc="how many")
    ratio: float = field(between(0, 1, "[)"), default=0.5)
    flag: bool = field(default=False)
    text: str = field(default="x")
    size: Pair = field(at_least(1), odd, default=(3, 3))
    step: Pair | None = field(default=None)
    betas: tuple[float, float] = field(between(0, 1, "()"), default=(0.9, 0.99))
    scales: float | tuple[float, ...] = field(positive, default=1.0)
    table: tuple[tuple[int, ...], ...] | str = field(default="full")
    names: tuple[str, ...] = field(unique, default=())
    channels: int = field(one_of(1, 3), default=1)
    mode: Literal["map", "none"] | bool = field(default="map")
    inner: Literal["auto"] | Inner = field(default="auto")
    colour: Colour | None = field(default=None)
    kind: ClassVar[str] = "no option"


def read(**mapping: Any) -> tuple[Options | None, list[Problem]]:
    problems: list[Problem] = []
    return from_mapping(Options, {"count": 1} | mapping, ("at",), problems), problems


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("count", 7, 7),
        ("ratio", 0, 0.0),
        ("ratio", 0.999, 0.999),
        ("flag", True, True),
        ("text", "", ""),
        ("size", 5, (5, 5)),
        ("size", [1, 3], (1, 3)),
        ("step", None, None),
        ("step", 2, (2, 2)),
        ("betas", [0.5, 0.75], (0.5, 0.75)),
        ("scales", 2, 2.0),
        ("scales", [1, 2, 3], (1.0, 2.0, 3.0)),
        ("table", "full", "full"),
        ("table", [[1, 0], [0, 1]], ((1, 0), (0, 1))),
        ("names", [], ()),
        ("names", ["a", "b"], ("a", "b")),
        ("mode", False, False),
        ("mode", "none", "none"),
        ("inner", "auto", "auto"),
        ("inner", {"low": 0}, Inner(low=0.0)),
    ],
)
def test_values_are_taken_and_given_back(name: str, value: Any, stored: Any) -> None:
    options, problems = read(**{name: value})
    assert problems == []
    found = getattr(options, name)
    assert (found, type(found)) == (stored, type(stored))
    assert from_mapping(Options, to_mapping(options), (), problems) == options


@pytest.mark.parametrize(
    ("name", "value", "path", "message"),
    [
        ("count", 0, (), "must be at least 1, found 0"),
        ("count", True, (), "must be a whole number, at least 1; found true"),
        ("count", 2.0, (), "must be a whole number, at least 1; found 2.0; did you mean 2?"),
        ("count", 2**63, (), f"must be a whole number, at least 1; found {2**63}"),
        ("count", None, (), "must be a whole number, at least 1; found nothing"),
        ("ratio", 1, (), "must be at least 0 and less than 1, found 1"),
        ("ratio", "0.5", (), "must be a number, at least 0 and less than 1; found '0.5'; did you mean 0.5?"),
        ("ratio", float("nan"), (), "must be a number, at least 0 and less than 1; found nan"),
        ("ratio", 10**400, (), "must be a number, at least 0 and less than 1; found " + "1" + "0" * 56 + "..."),
        ("flag", 1, (), "must be true or false; found 1"),
        ("flag", "yes", (), "must be true or false; found 'yes'"),
        ("text", 3, (), "must be text; found 3; put it in quotes: '3'"),
        ("text", False, (), "must be text; found false; put it in quotes: 'false'"),
        ("size", [1, 3, 5], (), "must be a whole number or a list of two, at least 1, odd; found [1, 3, 5]"),
        ("size", [3, -1], (1,), "must be at least 1, found -1"),
        ("size", [3, "a"], (1,), "must be a whole number, at least 1, odd; found 'a'"),
        ("size", 4, (), "must be odd, found 4"),
        ("betas", 0.9, (), "must be a list of 2 numbers, greater than 0 and less than 1; found 0.9"),
        ("betas", [0.9, 1], (1,), "must be greater than 0 and less than 1, found 1"),
        ("scales", [1, 0], (1,), "must be greater than 0, found 0"),
        ("scales", "a", (), "must be a number or a list of numbers, greater than 0; found 'a'"),
        ("table", [[1, "a"]], (0, 1), "must be a whole number; found 'a'"),
        ("table", 5, (), "must be a list of lists of whole numbers or text; found 5"),
        ("names", ["a", "b", "a"], (), "must be all different, found ['a', 'b', 'a']"),
        ("channels", 2, (), "must be 1 or 3, found 2"),
        ("mode", "mop", (), "must be 'map', 'none' or true or false; found 'mop'"),
        ("mode", 1, (), "must be 'map', 'none' or true or false; found 1"),
        ("inner", "atuo", (), "must be 'auto' or a mapping with the keys low, high; found 'atuo'"),
        ("inner", {"hihg": 1, "low": 0}, ("hihg",), "unknown key 'hihg'; did you mean 'high'?"),
        ("inner", {}, (), "'low' is missing: lower end"),
        ("inner", {"low": 2}, (), "low must not exceed high"),
        ("colour", "red", (), "must be a colour such as #ff0000"),
    ],
)
def test_values_are_refused_with_what_is_wrong(name: str, value: Any, path: tuple[Any, ...], message: str) -> None:
    options, problems = read(**{name: value})
    assert options is None
    assert [(problem.path, problem.message) for problem in problems] == [(("at", name, *path), message)]


def test_all_problems_are_found() -> None:
    options, problems = read(count=0, ratio=2, flag=3, contu=4, size=[0, 2])
    assert options is None
    assert [(problem.path[1:], problem.at_key) for problem in problems] == [
        (("contu",), True), (("count",), False), (("ratio",), False), (("flag",), False),
        (("size", 0), False), (("size", 0), False), (("size", 1), False),
    ]  # fmt: skip


def test_nothing_is_an_empty_mapping_and_anything_else_is_none() -> None:
    problems: list[Problem] = []
    assert from_mapping(Inner, None, (), problems) is None
    assert from_mapping(Inner, [1], (), problems) is None
    assert [problem.message for problem in problems] == [
        "'low' is missing: lower end", "must be a mapping with the keys low, high; found [1]",
    ]  # fmt: skip


def test_a_class_that_reads_itself_is_written_as_text() -> None:
    options, _ = read(colour="#00ff00")
    assert options is not None
    assert to_mapping(options)["colour"] == "#00ff00"


def test_to_mapping_gives_all_defaults_but_not_a_none() -> None:
    mapping = to_mapping(read()[0])
    assert "step" not in mapping
    assert mapping["size"] == [3, 3]
    assert list(to_mapping(Inner(low=0))) == ["low", "high"]


def test_describe_tells_name_type_default_constraint_and_meaning() -> None:
    rows = {row.name: row for row in describe(Options)}
    assert rows["count"] == Row("count", "a whole number", None, "at least 1", "how many")
    assert rows["size"] == Row("size", "a whole number or a list of two", "[3, 3]", "at least 1, odd", "")
    assert rows["mode"].type == "'map', 'none' or true or false"
    assert rows["flag"].default == "false"
    assert "kind" not in rows


def test_every_invalid_example_is_refused() -> None:
    examples = list(invalid_examples(Options))
    assert ("betas", [1, 1]) in examples
    assert ("size", 2) in examples
    for name, value in examples:
        options, problems = read(**{name: value})
        assert options is None
        assert {problem.path[1] for problem in problems} == {name}


@pytest.mark.parametrize("package", ["layers", "losses", "optimizers"])
def test_every_entry_of_the_package_documents_its_options(package: str) -> None:
    for name in registry.names(package):
        assert [row.name for row in describe(registry.get(package, name)) if not row.doc] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        ({"a": [True, None]}, "{a: [true, nothing]}"),
        ("a\x1b[31m\u202e", r"'a\x1b[31m\u202e'"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        (list(range(1000)), "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16..."),
    ],
)
def test_values_are_shown_on_one_short_line(value: Any, text: str) -> None:
    assert show(value) == text
