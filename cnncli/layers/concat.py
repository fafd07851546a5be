"""Maps of several inputs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cnncli.errors import ShapeError
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class Concat(Layer):
    """The maps of all inputs, in the inputs' order; heights and widths must agree."""

    examples: ClassVar[tuple[Example, ...]] = (Example({}, ((3, 4, 5), (2, 4, 5))),)

    several_inputs: ClassVar[bool] = True

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        for shape in in_shapes[1:]:
            if shape[1:] != in_shapes[0][1:]:
                raise ShapeError(f"inputs must agree in height and width, found {' and '.join(map(str, in_shapes))}")
        return LayerPlan(out_shape=(sum(shape[0] for shape in in_shapes), *in_shapes[0][1:]))

    def forward(self, b: Buffers, training: bool) -> None:
        for x, part in zip(b.xs, _parts(b.y, b.xs), strict=True):
            b.kernels.elementwise.copy(x, part, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        for dx, part in zip(b.dxs, _parts(b.dy, b.xs), strict=True):
            if dx is not None:
                b.kernels.elementwise.copy(part, dx, b.blocks, b.threads)


def _parts(maps: Any, xs: Sequence[Any]) -> Iterator[Any]:
    """The share of each input in the maps of the output."""
    first = 0
    for x in xs:
        yield maps[:, first : first + x.shape[1]]
        first += x.shape[1]
