"""Rectified linear units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.layers.base import Buffers, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class Relu(Layer):
    """y = max(x, 0); the gradient at 0 is 0.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    """

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        return LayerPlan(out_shape=in_shapes[0], reads=frozenset("y"), in_place=True)

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.elementwise.leaky_forward(b.x, b.y, 0.0, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.kernels.elementwise.leaky_backward(b.y, b.dy, b.dx, 0.0, b.blocks, b.threads)

    def choices(self, b: Buffers) -> np.ndarray:
        return b.y > 0
