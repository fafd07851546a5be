"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnncli.fields import between, field
from cnncli.layers.base import Buffers, Layer, LayerPlan, Saved, Shape
from cnncli.random import key


@dataclass(frozen=True, kw_only=True)
class Dropout(Layer):
    """In training each value is 0 with probability p, the others are divided by 1 - p; nothing happens otherwise.

    The choice is a function of (seed, layer, step, place in the batch), so backward simply makes it again.

    References
    ----------
    Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.
    """

    p: float = field(between(0, 1, "[)"), default=0.5, doc="probability that a value is dropped")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        return LayerPlan(
            out_shape=in_shapes[0], saved={"rate": Saved((1,), "node", "float64")}, in_place=True, random=True
        )

    def forward(self, b: Buffers, training: bool) -> None:
        b.saved["rate"][0] = self.p if training else 0.0
        if training:
            b.kernels.elementwise.dropout(
                b.x, b.y, self.p, key(b.seed, b.stream), b.step, b.shard.first, b.blocks, b.threads
            )
        elif b.x is not b.y:
            b.kernels.elementwise.copy(b.x, b.y, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            rate = b.saved["rate"][0]
            b.kernels.elementwise.dropout(
                b.dy, b.dx, rate, key(b.seed, b.stream), b.step, b.shard.first, b.blocks, b.threads
            )
