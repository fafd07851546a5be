"""What values a sweep's arguments mean."""

from __future__ import annotations

import math

import pytest

from cnncli.errors import SpecError
from cnncli.sweeping.axes import read, short_names


def values(argument: str) -> tuple[str, ...]:
    """What is tried in a grid."""
    fixed, (axis,) = read([argument])
    assert not fixed
    return axis.grid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2", "1 2"),
        ("1e-3, 0.1", "1e-3 0.1"),
        ("relu,tanh", "relu tanh"),
        ("3..6", "3 4 5 6"),
        ("-1..1", "-1 0 1"),
        ("1..100:4", "1 34 67 100"),
        ("1..3:9", "1 2 3"),
        ("0..1.0", "0.0 0.25 0.5 0.75 1.0"),
        ("0.1..0.5:3", "0.1 0.3 0.5"),
        ("log:1e-4..1e-1", "0.0001 0.001 0.01 0.1"),
        ("1e-4..1e-1(log)", "0.0001 0.001 0.01 0.1"),
        ("1e-4..1e-1(log):2", "0.0001 0.1"),
        ("log:1e-2..1:5", "0.01 0.03162 0.1 0.3162 1.0"),
        ("log:16..256", "16 64 256"),
    ],
)
def test_values(text: str, expected: str) -> None:
    assert values(f"a={text}") == tuple(expected.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[],[flip]", ("[]", "[flip]")),
        ("[],[{shift: 2, x: [1,2]}],[flip]", ("[]", "[{shift: 2, x: [1,2]}]", "[flip]")),
        ("'a,b',\"c,d\"", ("'a,b'", '"c,d"')),
        ("{sgd: {lr: 1, b: 2}},adam", ("{sgd: {lr: 1, b: 2}}", "adam")),
        ("patient(a,b),x", ("patient(a,b)", "x")),
    ],
)
def test_only_commas_outside_of_brackets_and_quotes_divide(text: str, expected: tuple[str, ...]) -> None:
    assert values(f"a={text}") == expected


@pytest.mark.parametrize("text", ["3", "", "[1,2]", "{a: 1, b: 2}", "'1,2'", "../data", "../a..b", "'1..2'", "v1..2"])
def test_what_is_one_value_is_left_as_it_is(text: str) -> None:
    assert read([f"a={text}"]) == ((f"a={text}",), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,,2", "nothing before or after a comma in '1,,2'; did you mean 1,2?"),
        (",", "nothing before or after a comma"),
        ("1,", "did you mean 1?"),
        ("1,1.0", "the same value twice in '1,1.0': 1 and 1.0"),
        ("2..1", "is empty, as 2 is more than 1; did you mean 1..2?"),
        ("2..2", "has one value; write a=2"),
        ("log:0..1", "begins at 0, which has no logarithm; begin above 0"),
        ("-1..1(log)", "begins at -1, which has no logarithm"),
        ("1..", "is no range: a range is written"),
        ("..1", "is no range"),
        ("1..2..3", "is no range"),
        ("log:1,2", "'log:1' is a range and stands alone"),
        ("1..3,7", "'1..3' is a range and stands alone"),
        ("0..1(lgo)", "is no range"),
        ("1..9:1", "needs at least 2 points"),
        ("1..9:99999", "has more than 10,000 points"),
        ("1..1e999", "has no end"),
        ("[1],[2", "']' at the end of a list is missing"),
    ],
)
def test_mistakes_are_one_line(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        read([f"a={text}"])
    assert str(caught.value).startswith("command line: a: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told() -> None:
    with pytest.raises(SpecError) as caught:
        read(["a=1,", "b=2..1", "c=1,2", "c=3", "d=1,2", "d=3,4", "e=3", "e=1,2"])
    assert [line.split(":")[1].strip() for line in str(caught.value).splitlines()] == ["a", "b", "c", "d", "e"]


def test_a_grid_may_be_too_large() -> None:
    with pytest.raises(SpecError, match="has 1,000,000 values"):
        values("a=1..1000000")


@pytest.mark.parametrize("text", ["log:1e-4..1e-1", "0.5..0.7", "3..9", "log:2..64"])
def test_shares_cover_a_range(text: str) -> None:
    (axis,) = read([f"a={text}"]).axes
    assert axis.range is not None
    numbers = [float(axis.at(i / 1000)) for i in range(1000)]
    assert numbers == sorted(numbers)
    assert min(numbers) == axis.range.low
    assert max(numbers) == pytest.approx(axis.range.high, rel=0.01)
    middle = math.sqrt(axis.range.low * axis.range.high) if axis.range.log else (axis.range.low + axis.range.high) / 2
    assert numbers[500] == pytest.approx(middle, rel=0.05)


def test_each_whole_number_is_as_likely() -> None:
    (axis,) = read(["a=3..6"]).axes
    drawn = [axis.at((i + 0.5) / 400) for i in range(400)]
    assert {text: drawn.count(text) for text in set(drawn)} == dict.fromkeys("3456", 100)


def test_short_names_tell_keys_apart() -> None:
    keys = ["optimizer.sgd.lr", "model.a.p", "model.b.p", "train.seed", "seed"]
    assert list(short_names(keys).values()) == ["lr", "a.p", "b.p", "train.seed", "seed"]
