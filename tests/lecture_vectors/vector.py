"""What a vector is, and words to write one down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One layer: its name, parameters and hyperparameters."""

    layer: str
    params: Mapping[str, Array] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Printed:
    """Numbers printed for a part of a tensor, in its order; `exact` ones are not rounded to the digits shown."""

    tensor: str
    text: str
    part: Callable[[Array], Any] = lambda tensor: tensor
    exact: bool = False

    @property
    def values(self) -> Array:
        return np.array([float(word) for word in self.words])

    @property
    def words(self) -> list[str]:
        return self.text.replace("/", " ").split()

    @property
    def half_unit(self) -> Array:
        """Half a unit of each number's last digit."""
        if self.exact:
            return np.zeros(len(self.words))
        mantissas = [word.partition("e")[0].partition(".")[2] for word in self.words]
        exponents = [int(word.partition("e")[2] or 0) for word in self.words]
        return np.array([0.5 * 10.0 ** (e - len(m)) for m, e in zip(mantissas, exponents, strict=True)])

    def check(self, tensor: Array, rtol: float) -> None:
        """Raise AssertionError unless each number agrees within half a unit and `rtol` of the largest of them.

        A sum is as large as that of its terms' magnitudes: its rounding errors are theirs.
        """
        tensor = np.asarray(tensor, dtype=np.float64)
        part = np.asarray(self.part(tensor))
        values = self.values.reshape(part.shape)
        error = np.abs(part - values)
        allowed = self.half_unit.reshape(part.shape) + rtol * np.abs(self.part(np.abs(tensor))).max()
        right = np.isfinite(part) & (error <= allowed)
        assert right.all(), f"{self.tensor}: printed {values}, got {part}, off by {error}"


@dataclass(frozen=True)
class Vector:
    """A chain of layers on one input with what the lecture prints about it."""

    name: str
    x: Array
    steps: tuple[Step, ...]
    printed: tuple[Printed, ...]
    target: Array | None = None

    def names(self) -> list[str]:
        """The layers' names: type and running number within the type, from 1."""
        layers = [step.layer for step in self.steps]
        return [f"{layer}_{layers[: i + 1].count(layer)}" for i, layer in enumerate(layers)]

    def check(self, tensors: Mapping[str, Array], rtol: float = 1e-14) -> None:
        """Compare everything printed with `tensors`."""
        for printed in self.printed:
            printed.check(tensors[printed.tensor], rtol)


def one(layer: str, /, **options: Any) -> tuple[Step, ...]:
    """A chain of one layer without parameters."""
    return (Step(layer, options=options),)


def maps(*rows: Any) -> Array:
    """One image whose maps are the given 2-D arrays."""
    return np.array(rows, dtype=np.float64)[None]


def weights(kernel: Any) -> dict[str, Array]:
    """Parameters of a convolution from one map to one."""
    return {"weight": np.array(kernel, dtype=np.float64)[None, None]}


def numbers(tensor: str, *parts: tuple[str, Callable[[Array], Any]]) -> tuple[Printed, ...]:
    """Several parts of one tensor."""
    return tuple(Printed(tensor, text, part) for text, part in parts)


def row(r: int, channel: int = 0) -> Callable[[Array], Any]:
    return lambda y: y[0, channel, r]


def at(r: int, s: int, channel: int = 0) -> Callable[[Array], Any]:
    return lambda y: y[0, channel, r, s]


def total(channel: int) -> Callable[[Array], Any]:
    return lambda y: y[0, channel].sum()
