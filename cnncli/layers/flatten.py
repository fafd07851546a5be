"""Maps as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnncli.layers.base import Buffers, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class Flatten(Layer):
    """All maps as one vector in the order channel, row, column. `linear` does this by itself."""

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        return LayerPlan(out_shape=(channels * height * width, 1, 1), kernel=(height, width))

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.elementwise.copy(b.x, b.y.reshape(b.x.shape), b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.kernels.elementwise.copy(b.dy.reshape(b.dx.shape), b.dx, b.blocks, b.threads)
