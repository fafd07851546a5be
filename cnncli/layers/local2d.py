"""Locally connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnncli.fields import Pair, at_least, field
from cnncli.initializers import HE, Initializer
from cnncli.layers._window import output_size
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Param, Scratch, Shape


@dataclass(frozen=True, kw_only=True)
class Local2d(Layer):
    """A convolution without shared weights: every unit has a kernel and a bias of its own.

    y[o, r, s] = bias[o, r, s] + sum_{c,p,q} weight[r, s, c, p, q, o] x[c, r stride + p - padding, s stride + ...]

    Parameters: weight (rows, columns, in_channels, kernel rows, kernel columns, out_channels), with rows and columns
    those of the output, so that what one place needs lies together; bias (out_channels, rows, columns).

    References
    ----------
    LeCun, "Generalization and network design strategies", 1989, net 3; Krizhevsky, cuda-convnet, layers "local".
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"out_channels": 4, "kernel_size": 3, "padding": 1}, ((3, 5, 4),)),
        Example({"out_channels": 3, "kernel_size": [2, 3], "stride": [1, 2], "bias": False}, ((2, 4, 7),)),
        Example({"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1, "pad_value": -1.0}, ((1, 6, 5),)),
    )

    out_channels: int = field(at_least(1), doc="number of output maps")
    kernel_size: Pair = field(at_least(1), doc="rows and columns of the kernels")
    stride: Pair = field(at_least(1), default=(1, 1), doc="step from unit to unit in rows and columns")
    padding: Pair = field(at_least(0), default=(0, 0), doc="border added on each side, in rows and columns")
    pad_value: float = field(default=0.0, doc="value of that border")
    bias: bool = field(default=True, doc="whether every unit has a bias")
    init: Initializer = field(default=HE, doc="how the weights start (the biases start at 0)")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, *sizes),) = in_shapes
        axes = list(zip(sizes, self.kernel_size, self.stride, self.padding, strict=True))
        rows, columns = (output_size(*axis) for axis in axes)
        below, right = (
            max(0, (out - 1) * stride + kernel - size - padding)
            for out, (size, kernel, stride, padding) in zip((rows, columns), axes, strict=True)
        )
        kernel_h, kernel_w = self.kernel_size
        weight = (rows, columns, channels, kernel_h, kernel_w, self.out_channels)
        fan_in, units = channels * kernel_h * kernel_w, self.out_channels * rows * columns
        params = {"weight": Param(weight, self.init, fan_in, self.out_channels * kernel_h * kernel_w)}
        if self.bias:
            params["bias"] = Param((self.out_channels, rows, columns), fan_in=fan_in, decay=False)
        return LayerPlan(
            out_shape=(self.out_channels, rows, columns),
            params=params,
            scratch=Scratch(
                real=lambda kernels, blocks, lanes, threads: kernels.local2d.scratch_size(weight, blocks, threads),
                index=lambda kernels: kernels.local2d.index_size(weight),
            ),
            frame=(self.padding[0], below, self.padding[1], right),
            frame_value=self.pad_value,
            reads=frozenset("x"),
            macs=units * fan_in,
            connections=units * (fan_in + self.bias),
            kernel=self.kernel_size,
            jump=self.stride,
        )

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.local2d.forward(
            b.x_framed, b.param["weight"], b.param.get("bias"), b.y, b.index, *self.stride, b.blocks, b.threads
        )

    def backward(self, b: Buffers) -> None:
        b.kernels.local2d.backward_params(
            b.x_framed, b.dy, b.grad["weight"], b.grad.get("bias"), b.real, b.index, *self.stride, b.blocks, b.threads
        )
        if b.dx is not None:
            b.kernels.local2d.backward_input(
                b.dy, b.param["weight"], b.dx, b.index, *self.stride, *self.padding, b.blocks, b.threads
            )
