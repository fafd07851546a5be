"""Rectified linear units with a small slope below zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.fields import field, positive
from cnncli.layers.base import Buffers, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class LeakyRelu(Layer):
    """y = x where x > 0, else slope x; the gradient at 0 is the slope.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    slope: float = field(positive, default=0.01, doc="slope below zero")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        return LayerPlan(out_shape=in_shapes[0], reads=frozenset("y"), in_place=True)

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.elementwise.leaky_forward(b.x, b.y, self.slope, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.kernels.elementwise.leaky_backward(b.y, b.dy, b.dx, self.slope, b.blocks, b.threads)

    def choices(self, b: Buffers) -> np.ndarray:
        return b.y > 0
