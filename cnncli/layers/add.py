"""Sum of several inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnncli.errors import ShapeError
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class Add(Layer):
    """y = the sum of its inputs, which must have one shape: the end of a residual block.

    References
    ----------
    He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    examples: ClassVar[tuple[Example, ...]] = (Example({}, ((3, 4, 5), (3, 4, 5), (3, 4, 5))),)

    several_inputs: ClassVar[bool] = True

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        for shape in in_shapes[1:]:
            if shape != in_shapes[0]:
                raise ShapeError(f"inputs must have one shape, found {' and '.join(map(str, in_shapes))}")
        return LayerPlan(out_shape=in_shapes[0], rectifies="forward", hands_on=True)

    def forward(self, b: Buffers, training: bool) -> None:
        total = b.xs[0]
        for i, x in enumerate(b.xs[1:], start=2):
            b.kernels.elementwise.add(total, x, b.y, None, b.rectified and i == len(b.xs), b.blocks, b.threads)
            total = b.y

    def backward(self, b: Buffers) -> None:
        for dx in b.dxs:
            if dx is not None and dx is not b.dy:
                b.kernels.elementwise.copy(b.dy, dx, b.blocks, b.threads)
