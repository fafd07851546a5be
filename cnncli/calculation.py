"""``$name`` in the layers of a block: an argument of it, or a small calculation with arguments.

A text that is but ``$name`` becomes the argument, of whatever type; one such as ``4 * $channels`` or ``$stride > 1`` is
worked out: + - * / and parentheses, comparisons, `and`, `or`, `not`. A bare word is a text: ``$pool == max``. Division
gives a whole number where it comes out even. Nothing else of Python's language is known here.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from cnncli.fields import Path, Problem, show
from cnncli.registry import suggest

MAX_LENGTH = 200  # of a calculation

_ARGUMENT = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_MARK = "argument_"  # before the names of arguments, so that Python's own words are none


class _Wrong(Exception):
    pass


def substitute(data: Any, arguments: Mapping[str, Any], path: Path, problems: list[Problem]) -> Any:
    """`data` with every text worked out that has a ``$`` in it; what fails is added to `problems` and becomes None."""
    if isinstance(data, dict):
        return {key: substitute(value, arguments, (*path, key), problems) for key, value in data.items()}
    if isinstance(data, list):
        return [substitute(value, arguments, (*path, index), problems) for index, value in enumerate(data)]
    if not isinstance(data, str) or "$" not in data:
        return data
    try:
        return calculate(data, arguments)
    except _Wrong as error:
        problems.append(Problem(path, str(error)))
        return None


def calculate(text: str, arguments: Mapping[str, Any]) -> Any:
    """The value of a text with a ``$`` in it."""
    for name in _ARGUMENT.findall(text):
        if name not in arguments:
            raise _Wrong(f"there is no argument {'$' + name!r}; {suggest(name, arguments)}")
    whole = _ARGUMENT.fullmatch(text.strip())
    if whole:
        return arguments[whole[1]]
    try:
        if len(text) > MAX_LENGTH:
            raise _Wrong(f"a calculation may have {MAX_LENGTH} characters, this one has {len(text)}")
        tree = ast.parse(_ARGUMENT.sub(rf"{_MARK}\1", text.strip()), mode="eval")
        return _value(tree.body, arguments)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise _Wrong(f"must be a calculation such as 4 * $channels; found {show(text)}") from None
    except (ZeroDivisionError, OverflowError):
        raise _Wrong(f"has no value: {show(text)}") from None


def _quotient(a: Any, b: Any) -> Any:
    return a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else a / b


_NUMERIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _quotient,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EQUAL: dict[type, Callable[[Any, Any], Any]] = {ast.Eq: operator.eq, ast.NotEq: operator.ne}


def _value(node: ast.expr, arguments: Mapping[str, Any]) -> Any:
    """The value of an expression; TypeError for what is none of ours."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        words = {"true": True, "false": False}
        return arguments[node.id.removeprefix(_MARK)] if node.id.startswith(_MARK) else words.get(node.id, node.id)
    if isinstance(node, ast.BinOp) and type(node.op) in _NUMERIC:
        return _NUMERIC[type(node.op)](_number(node.left, arguments), _number(node.right, arguments))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(node.operand, arguments)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _truth(node.operand, arguments)
    if isinstance(node, ast.BoolOp):
        values = [_truth(operand, arguments) for operand in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        kind, right = type(node.ops[0]), node.comparators[0]
        if kind in _EQUAL:
            return _EQUAL[kind](_value(node.left, arguments), _value(right, arguments))
        if kind in _NUMERIC:
            return _NUMERIC[kind](_number(node.left, arguments), _number(right, arguments))
    raise TypeError


def _number(node: ast.expr, arguments: Mapping[str, Any]) -> Any:
    value = _value(node, arguments)
    if type(value) not in (int, float):
        raise TypeError
    return value


def _truth(node: ast.expr, arguments: Mapping[str, Any]) -> bool:
    value = _value(node, arguments)
    if not isinstance(value, bool):
        raise TypeError
    return value
