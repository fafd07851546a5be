"""Convolutional layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from cnncli.errors import ShapeError
from cnncli.fields import Pair, at_least, field
from cnncli.initializers import HE, Initializer
from cnncli.layers._window import output_size
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Param, Scratch, Shape


@dataclass(frozen=True, kw_only=True)
class Conv2d(Layer):
    """Convolution of maps with trained kernels (cross-correlation, as everywhere in the field).

    y[o, i, j] = bias[o] + sum_{c,p,q} weight[o, c, p, q] x[c, i stride + p dilation - padding, ...]

    Parameters: weight (out_channels, in_channels / groups, kernel rows, kernel columns), bias (out_channels,).

    References
    ----------
    LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural Computation 1(4), 1989.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"out_channels": 7, "kernel_size": 3, "padding": 1}, ((3, 6, 5),)),
        Example({"out_channels": 4, "kernel_size": [3, 2], "stride": [2, 3], "padding": [2, 1], "groups": 2}, ((4, 7, 8),)),
        Example({"out_channels": 3, "kernel_size": 3, "dilation": 2, "bias": "none", "pad_value": -1.0, "padding": 1}, ((2, 6, 7),)),
    )

    out_channels: int = field(at_least(1), doc="number of output maps")
    kernel_size: Pair = field(at_least(1), doc="rows and columns of the kernel")
    stride: Pair = field(at_least(1), default=(1, 1), doc="step of the kernel in rows and columns")
    padding: Pair = field(at_least(0), default=(0, 0), doc="border added on each side, in rows and columns")
    pad_value: float = field(default=0.0, doc="value of that border")
    dilation: Pair = field(at_least(1), default=(1, 1), doc="distance of the kernel's taps in rows and columns")
    groups: int = field(at_least(1), default=1, doc="equal groups of maps that see only each other")
    bias: bool | Literal["map", "none"] = field(default="map", doc="one bias per map, or none")
    init: Initializer = field(default=HE, doc="how the weights start (the bias starts at 0)")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        if channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"groups ({self.groups}) must divide both the {channels} input maps and the {self.out_channels} output maps"
            )
        (kernel_h, kernel_w), (stride_h, stride_w) = self.kernel_size, self.stride
        (pad_h, pad_w), (dilation_h, dilation_w) = self.padding, self.dilation
        rows = output_size(height, kernel_h, stride_h, pad_h, dilation_h)
        columns = output_size(width, kernel_w, stride_w, pad_w, dilation_w)
        weight = (self.out_channels, channels // self.groups, kernel_h, kernel_w)
        fan_in = weight[1] * kernel_h * kernel_w
        fan_out = self.out_channels // self.groups * kernel_h * kernel_w
        params = {"weight": Param(weight, self.init, fan_in, fan_out)}
        if self._with_bias:
            params["bias"] = Param((self.out_channels,), fan_in=fan_in, decay=False)
        top, bottom = _frame(height, rows, kernel_h, stride_h, pad_h, dilation_h)
        left, right = _frame(width, columns, kernel_w, stride_w, pad_w, dilation_w)
        grad_top, grad_bottom = _grad_frame(height, rows, kernel_h, stride_h, pad_h, dilation_h)
        grad_left, grad_right = _grad_frame(width, columns, kernel_w, stride_w, pad_w, dilation_w)
        units = self.out_channels * rows * columns
        return LayerPlan(
            out_shape=(self.out_channels, rows, columns),
            params=params,
            scratch=Scratch(
                real=lambda kernels, blocks, lanes, threads: kernels.conv2d.scratch_size(weight, blocks, threads),
                index=lambda kernels: kernels.conv2d.index_size(weight, self.groups),
            ),
            frame=(top, bottom, left, right),
            frame_value=self.pad_value,
            grad_frame=(grad_top, grad_bottom, grad_left, grad_right),
            reads=frozenset("x"),
            macs=units * fan_in,
            connections=units * (fan_in + self._with_bias),
            kernel=(dilation_h * (kernel_h - 1) + 1, dilation_w * (kernel_w - 1) + 1),
            jump=self.stride,
        )

    @property
    def _with_bias(self) -> bool:
        return self.bias in (True, "map")

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.conv2d.forward(
            b.x_framed, b.param["weight"], b.param.get("bias"), b.y, b.real, b.index,
            *self.stride, *self.dilation, self.groups, b.blocks, b.threads,
        )  # fmt: skip

    def backward(self, b: Buffers) -> None:
        b.kernels.conv2d.backward_params(
            b.x_framed, b.dy, b.grad["weight"], b.grad.get("bias"), b.real, b.index,
            *self.stride, *self.dilation, self.groups, b.blocks, b.threads,
        )  # fmt: skip
        if b.dx is not None:
            (_, (kernel_h, kernel_w)) = b.dy.shape, self.kernel_size
            top = _lead(kernel_h, self.stride[0], self.padding[0], self.dilation[0])
            left = _lead(kernel_w, self.stride[1], self.padding[1], self.dilation[1])
            b.kernels.conv2d.backward_input(
                b.dy_framed, b.param["weight"], b.dx, b.real, b.index,
                *self.stride, *self.dilation, *self.padding, top, left, self.groups, b.blocks, b.threads,
            )  # fmt: skip


def _frame(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int]:
    """Border before and after the map that the window reaches."""
    return padding, max(0, (out - 1) * stride + dilation * (kernel - 1) + 1 - size - padding)


def _lead(kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Outputs before the first one that the transposed window of the first input would read."""
    return max(0, -((padding - dilation * (kernel - 1)) // stride))


def _grad_frame(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int]:
    """Border of zeros before and after the output's gradient that the transposed window reaches."""
    return _lead(kernel, stride, padding, dilation), max(0, (size - 1 + padding) // stride - (out - 1))
