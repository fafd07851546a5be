"""Gain after a non-linearity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from cnncli.fields import field
from cnncli.initializers import ONE
from cnncli.layers._pointwise import Function
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Param, Saved, Shape


@dataclass(frozen=True, kw_only=True)
class Gain(Layer):
    """y = g x with one trained factor for each map or for the layer, or with a fixed one.

    dx = g dy, dg = sum of dy x over the images and pixels that share g. Trained factors start at 1 and do not decay.

    Parameters: weight (channels,) or (1,), unless a value is given.

    References
    ----------
    Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009, layer F_CSG.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 5, 6),)),
        Example({"per": "layer"}, ((3, 5, 6),)),
        Example({"value": -0.5}, ((3, 5, 6),)),
    )

    per: Literal["map", "layer"] = field(default="map", doc="what a trained factor belongs to: each map, or the layer")
    value: float | None = field(default=None, doc="a fixed factor instead of trained ones")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        shape = in_shapes[0]
        if self.value is not None:
            return LayerPlan(out_shape=shape, in_place=True)
        return LayerPlan(
            out_shape=shape,
            params={"weight": Param((shape[0] if self.per == "map" else 1,), ONE, decay=False)},
            saved={"partial": Saved((shape[0],), "block")},
            reads=frozenset("x"),
        )

    def forward(self, b: Buffers, training: bool) -> None:
        if self.value is not None:
            b.kernels.pointwise.forward(b.x, b.y, Function.GAIN, self.value, 0.0, b.blocks, b.threads)
        else:
            b.kernels.pointwise.forward_with(b.param["weight"], b.x, b.y, Function.GAIN, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        pointwise = b.kernels.pointwise
        if self.value is not None:
            if b.dx is not None:
                pointwise.forward(b.dy, b.dx, Function.GAIN, self.value, 0.0, b.blocks, b.threads)
            return
        if b.dx is not None:
            pointwise.forward_with(b.param["weight"], b.dy, b.dx, Function.GAIN, b.blocks, b.threads)
        pointwise.parameter_gradient(
            b.x, b.dy, b.saved["partial"], b.grad["weight"], Function.GAIN, 1.0, b.blocks, b.threads
        )
