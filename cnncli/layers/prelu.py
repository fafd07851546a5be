"""Rectified linear units with a trained slope below zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from cnncli.fields import field
from cnncli.initializers import Initializer
from cnncli.layers._pointwise import Function
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Param, Saved, Shape


@dataclass(frozen=True, kw_only=True)
class Prelu(Layer):
    """y = x where x > 0, else a x with one trained slope a for each map or for the layer; the gradient at 0 is a.

    da = sum of dy min(x, 0) over the images and pixels that share a. The slopes do not decay.

    Parameters: weight (channels,) or (1,).

    References
    ----------
    He, Zhang, Ren and Sun, "Delving deep into rectifiers", ICCV 2015, eq 1, 8 and 10.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 5, 6),)),
        Example({"per": "layer"}, ((3, 5, 6),)),
    )

    per: Literal["map", "layer"] = field(default="map", doc="what a slope belongs to: each map, or the layer")
    init: float = field(default=0.25, doc="what the slopes start at")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        shape = in_shapes[0]
        count = shape[0] if self.per == "map" else 1
        return LayerPlan(
            out_shape=shape,
            params={"weight": Param((count,), Initializer("constant", self.init), decay=False)},
            saved={"partial": Saved((shape[0],), "block")},
            reads=frozenset("x"),
        )

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.pointwise.forward_with(b.param["weight"], b.x, b.y, Function.LEAKY_RELU, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        pointwise, weight = b.kernels.pointwise, b.param["weight"]
        pointwise.parameter_gradient(
            b.x, b.dy, b.saved["partial"], b.grad["weight"], Function.LEAKY_RELU, 1.0, b.blocks, b.threads
        )
        if b.dx is not None:
            pointwise.backward_with(weight, b.x, b.dy, b.dx, Function.LEAKY_RELU, b.blocks, b.threads)

    def choices(self, b: Buffers) -> np.ndarray:
        return b.x > 0
