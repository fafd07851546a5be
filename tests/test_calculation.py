"""Arguments of blocks put into their layers, and small calculations with them."""

from __future__ import annotations

from typing import Any

import pytest

from cnncli.calculation import substitute
from cnncli.fields import Problem

ARGUMENTS = {"n": 6, "x": 0.5, "yes": True, "kind": "max", "layer": {"leaky_relu": {"slope": 0.1}}, "lambda": 3}

VALUES = [
    ("$n", 6),
    (" $n ", 6),
    ("$layer", ARGUMENTS["layer"]),
    ("$lambda", 3),
    ("4 * $n + 1", 25),
    ("$n / 2", 3),
    ("$n / 4", 1.5),
    ("($n - 1) * $x", 2.5),
    ("-$n", -6),
    ("$n > 1", True),
    ("$n <= 5", False),
    ("$n == 6 and not $kind == avg", True),
    ("$kind != max or $yes", True),
    ("$yes == true", True),
    ("$x < 0 or $n >= 6", True),
    ("no dollar + 1", "no dollar + 1"),
    (["$n", {"key": "$n * 2"}], [6, {"key": 12}]),
    (7, 7),
]


@pytest.mark.parametrize(("text", "value"), VALUES, ids=lambda value: str(value))
def test_values(text: Any, value: Any) -> None:
    problems: list[Problem] = []
    found = substitute(text, ARGUMENTS, (), problems)
    assert problems == []
    assert found == value
    assert type(found) is type(value)


WRONG = [
    ("$m", "there is no argument '$m'; allowed: n, x, yes"),
    ("$kin", "did you mean 'kind'?"),
    ("2 $n", "must be a calculation such as 4 * $channels; found '2 $n'"),
    ("$n + ", "must be a calculation"),
    ("$n ** 99999", "must be a calculation"),
    ("$n << 9", "must be a calculation"),
    ("$kind * 3", "must be a calculation"),
    ("$yes + 1", "must be a calculation"),
    ("not $n", "must be a calculation"),
    ("1 < $n < 9", "must be a calculation"),
    ("$n in max", "must be a calculation"),
    ("$n.real", "must be a calculation"),
    ("__import__('os').system('$n')", "must be a calculation"),
    ("[$n for n in max]", "must be a calculation"),
    ("$n\0", "must be a calculation"),
    ("$n / ($n - 6)", "has no value"),
    ("1e308 * 10 * $n - 1e308 * 10 * $n / 0", "has no value"),
    ("$n" + " + $n" * 60, "a calculation may have 200 characters, this one has 302"),
    ("(" * 90 + "$n" + ")" * 90, None),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=lambda value: str(value)[:30].replace("\0", "0"))
def test_what_is_no_calculation(text: str, message: str | None) -> None:
    problems: list[Problem] = []
    found = substitute({"a": ["x", text]}, ARGUMENTS, ("here",), problems)
    if message is None:
        assert (found, problems) == ({"a": ["x", 6]}, [])
        return
    assert found == {"a": ["x", None]}
    (problem,) = problems
    assert problem.path == ("here", "a", 1)
    assert message in problem.message
