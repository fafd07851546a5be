"""A trained network as a list of elementary operators, those of ONNX: what every other form of it is made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

INPUT, OUTPUT = "image", "scores"
DERIVED = ":"  # in names of what is no tensor of the checkpoint


@dataclass(frozen=True)
class Step:
    """One operator.

    Attributes
    ----------
    operator : str
        Its name in ONNX.
    inputs : tuple of str
        Values and constants, by name.
    output : str
    options : dict
        The operator's attributes: numbers, lists of whole numbers.
    """

    operator: str
    inputs: tuple[str, ...]
    output: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Program:
    """Steps from `INPUT`, (N, channels, rows, columns) with pixels in 0..1, to `OUTPUT`, (N, classes).

    Attributes
    ----------
    steps : list of Step
    constants : dict of str to ndarray
        float32 and int64.
    in_shape : (channels, rows, columns)
    classes : int
    """

    steps: list[Step]
    constants: dict[str, np.ndarray]
    in_shape: tuple[int, int, int]
    classes: int


class Builder:
    """Collects steps and constants under names that begin with that of the layer at work."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.constants: dict[str, np.ndarray] = {}
        self.prefix = self.owner = ""  # of the layer at work, and of the one whose weights it has

    def constant(self, name: str, array: Any) -> str:
        """A tensor, float32 or, where it counts something, int64; a known name stands for what it stood for before."""
        array = np.asarray(array)
        kind = np.int64 if array.dtype.kind in "iu" else np.float32
        self.constants.setdefault(name, np.ascontiguousarray(array, kind))
        return name

    def own(self, key: str, array: Any) -> str:
        """A constant of the layer at work that is none of its weights."""
        return self.constant(f"{self.prefix}{DERIVED}{key}", array)

    def weight(self, key: str, array: np.ndarray) -> str:
        """A tensor of the checkpoint, under the name that it has there."""
        return self.constant(f"{self.owner}.{key}", array)

    def number(self, value: float) -> str:
        """A constant that is one number."""
        return self.constant(f"number{DERIVED}{value!r}", np.float32(value))

    def __call__(self, operator: str, *inputs: str, **options: Any) -> str:
        """Add a step; returns the name of its output."""
        output = f"{self.prefix}{DERIVED}{operator.lower()}_{len(self.steps)}"
        self.steps.append(Step(operator, inputs, output, options))
        return output

    # -- what several layers need -----------------------------------------------------------------------------------

    def times(self, x: str, factor: float) -> str:
        """x times a number."""
        return x if factor == 1 else self("Mul", x, self.number(factor))

    def per_map(self, key: str, array: np.ndarray) -> str:
        """A tensor with one number for each map, or one for all, to be combined with maps."""
        return self.weight(key, array.reshape(-1, 1, 1))

    def padded(self, x: str, pads: Sequence[int], value: float) -> str:
        """Maps in a frame of one value; `pads` is top, left, bottom, right."""
        if not any(pads):
            return x
        top, left, bottom, right = pads
        shape = self.own("pads", np.array([0, 0, top, left, 0, 0, bottom, right]))
        return self("Pad", x, shape, self.number(value))

    def separable(self, x: str, matrices: Iterable[np.ndarray], key: str) -> str:
        """R x C^T over every map."""
        rows, columns = matrices
        if not np.array_equal(rows, np.eye(len(rows))):
            x = self("MatMul", self.own(f"rows{key}", rows), x)
        if not np.array_equal(columns, np.eye(len(columns))):
            x = self("MatMul", x, self.own(f"columns{key}", columns.T))
        return x
