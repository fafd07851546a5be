"""How a tensor starts: by name, with at most one number, from the run's own random numbers.

``he`` is N(0, 2 / F), ``glorot`` U(+-sqrt(6 / (F + F_out))), ``lecun1989`` U(+-2.4 / F), ``lecun1989_sqrt``
U(+-2.4 / sqrt(F)), ``uniform: a`` U(+-a), ``normal: s`` N(0, s^2), ``orthogonal`` rows (or columns) of a random
orthogonal matrix; a number is a constant. F counts the inputs connected to one output unit, F_out the outputs
fed by one input; the bias belongs to neither.

References
----------
He et al. 2015, equation 10; Glorot and Bengio 2010, equation 16; LeCun et al. 1989, section "Network architecture";
Saxe et al. 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cnncli import random
from cnncli.registry import suggest

_PLAIN = ("he", "glorot", "lecun1989", "lecun1989_sqrt", "orthogonal")
_WITH_NUMBER = ("normal", "uniform", "constant")
_POSITIVE = {"exclusiveMinimum": 0}
_NUMBER = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"


@dataclass(frozen=True)
class Initializer:
    """A named distribution and its number, as an option of a layer."""

    accepts: ClassVar[str] = "he, glorot, lecun1989, lecun1989_sqrt, orthogonal, a number, or normal or uniform: number"
    name: str
    number: float = 0.0

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What `parse` reads, as JSON Schema."""
        numbers = {name: {"type": "number"} | ({} if name == "constant" else _POSITIVE) for name in _WITH_NUMBER}
        mapping = {"type": "object", "properties": numbers, "additionalProperties": False, "minProperties": 1}
        text = {"type": "string", "pattern": f"^ *({'|'.join(_WITH_NUMBER)}) *: *{_NUMBER} *$"}
        return {"anyOf": [{"enum": [*_PLAIN]}, {"type": "number"}, mapping | {"maxProperties": 1}, text]}

    @classmethod
    def parse(cls, value: Any) -> Initializer:
        """Read ``he``, ``0.1``, ``{normal: 0.01}`` or the text ``normal: 0.01``.

        Raises
        ------
        ValueError
            If it is none of them.
        """
        if isinstance(value, str) and ":" in value:
            name, _, number = value.partition(":")
            value = {name.strip(): float(number)}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return cls("constant", float(value))
        if isinstance(value, dict) and len(value) == 1:
            ((name, number),) = value.items()
            is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
            if name in _WITH_NUMBER and is_number and (name == "constant" or number > 0):
                return cls(name, float(number))
        if isinstance(value, str):
            if value in _PLAIN:
                return cls(value)
            raise ValueError(f"unknown initialiser {value!r}; {suggest(value, [*_PLAIN, *_WITH_NUMBER])}")
        raise ValueError(f"must be {cls.accepts}")

    def __str__(self) -> str:
        return f"{self.name}: {self.number!r}" if self.name in _WITH_NUMBER else self.name

    def draw(
        self, shape: tuple[int, ...], fan_in: int | np.ndarray, fan_out: int | np.ndarray, seed: int, stream: int
    ) -> np.ndarray:
        """The tensor's first values, in double precision.

        Parameters
        ----------
        shape : tuple of int
        fan_in, fan_out : int or ndarray
            Inputs of one output unit and outputs of one input; arrays that broadcast to the shape where they differ.
        seed, stream : int
            Key of the random numbers.
        """
        count = int(np.prod(shape, dtype=np.int64))
        if self.name == "constant":
            return np.full(shape, self.number)
        if self.name == "orthogonal":
            return _orthogonal(shape, random.normal(seed, stream, count))
        if self.name in ("he", "normal"):
            deviation = np.sqrt(2.0 / fan_in) if self.name == "he" else self.number
            return random.normal(seed, stream, count).reshape(shape) * deviation
        limit = {
            "glorot": np.sqrt(6.0 / (fan_in + fan_out)),
            "lecun1989": 2.4 / fan_in,
            "lecun1989_sqrt": 2.4 / np.sqrt(fan_in),
            "uniform": self.number,
        }[self.name]
        return (2.0 * random.uniform(seed, stream, count) - 1.0).reshape(shape) * limit


def _orthogonal(shape: tuple[int, ...], values: np.ndarray) -> np.ndarray:
    matrix = values.reshape(shape[0], -1)
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    return (q if matrix.shape[0] >= matrix.shape[1] else q.T).reshape(shape)


HE = Initializer("he")
ZERO = Initializer("constant", 0.0)
ONE = Initializer("constant", 1.0)
