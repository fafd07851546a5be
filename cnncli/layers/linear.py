"""Fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnncli.fields import at_least, field
from cnncli.initializers import HE, Initializer
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Param, Scratch, Shape


@dataclass(frozen=True, kw_only=True)
class Linear(Layer):
    """Every output unit sees every input; maps are taken as they are, flattened in the order channel, row, column.

    y[o] = bias[o] + sum_k weight[o, k] x[k]

    Parameters: weight (out_features, in_features), bias (out_features,).
    """

    examples: ClassVar[tuple[Example, ...]] = (Example({"out_features": 5}, ((3, 2, 4),)),)

    out_features: int = field(at_least(1), doc="number of output units")
    bias: bool = field(default=True, doc="whether every unit has a bias")
    init: Initializer = field(default=HE, doc="how the weights start (the bias starts at 0)")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        features = channels * height * width
        weight = (self.out_features, features)
        params = {"weight": Param(weight, self.init, features, self.out_features)}
        if self.bias:
            params["bias"] = Param((self.out_features,), fan_in=features, decay=False)
        return LayerPlan(
            out_shape=(self.out_features, 1, 1),
            params=params,
            scratch=Scratch(
                real=lambda kernels, blocks, lanes, threads: kernels.linear.scratch_size(
                    weight, blocks, lanes, threads
                ),
                index=lambda kernels: kernels.linear.index_size(weight),
            ),
            reads=frozenset("x"),
            rectifies="forward",
            macs=self.out_features * features,
            connections=self.out_features * (features + self.bias),
            kernel=(height, width),
        )

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.linear.forward(
            b.x, b.param["weight"], b.param.get("bias"), b.y, b.index, b.rectified, b.blocks, b.threads
        )

    def backward(self, b: Buffers) -> None:
        b.kernels.linear.backward_params(
            b.x, b.dy, b.grad["weight"], b.grad.get("bias"), b.real, b.index, b.blocks, b.threads
        )
        if b.dx is not None:
            b.kernels.linear.backward_input(b.dy, b.param["weight"], b.dx, b.index, b.blocks, b.threads)
