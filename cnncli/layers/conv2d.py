"""Convolutional layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from cnncli.errors import ShapeError
from cnncli.fields import Pair, at_least, field
from cnncli.initializers import HE, Initializer
from cnncli.layers._table import FULL, Table
from cnncli.layers._window import output_size
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Param, Scratch, Shape


@dataclass(frozen=True, kw_only=True)
class Conv2d(Layer):
    """Convolution of maps with trained kernels.

    y[o, i, j] = bias[o] + sum_{c,p,q} weight[o, c, p, q] x[c, i stride + p dilation - padding, ...], that is
    cross-correlation, as everywhere in the field; `flip` turns the kernel by 180 degrees: convolution as in
    mathematics.

    Parameters: weight (out_channels, in_channels / groups, kernel rows, kernel columns), bias (out_channels,) or, one
    for each unit, (out_channels, rows, columns). With a connection table only the weights in use exist, (connections,
    kernel rows, kernel columns); files hold them in the full shape, with zeros.

    References
    ----------
    LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural Computation 1(4), 1989.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"out_channels": 7, "kernel_size": 3, "padding": 1}, ((3, 6, 5),)),
        Example(
            {"out_channels": 4, "kernel_size": [3, 2], "stride": [2, 3], "padding": [2, 1], "groups": 2}, ((4, 7, 8),)
        ),
        Example(
            {"out_channels": 3, "kernel_size": 3, "dilation": 2, "bias": "none", "pad_value": -1.0, "padding": 1},
            ((2, 6, 7),),
        ),
        Example({"out_channels": 3, "kernel_size": 3, "stride": 2, "bias": "matrix", "flip": True}, ((2, 7, 6),)),
        Example(
            {
                "out_channels": 4,
                "kernel_size": 3,
                "padding": 1,
                "stride": 2,
                "flip": True,
                "table": [[1, 0, 1, 1], [0, 1, 1, 0], [1, 0, 0, 1]],
            },
            ((3, 6, 7),),
        ),
        Example(
            {"out_channels": 5, "kernel_size": 2, "bias": "matrix", "table": {"random": {"fan_in": 2}}}, ((4, 5, 5),)
        ),
    )

    out_channels: int = field(at_least(1), doc="number of output maps")
    kernel_size: Pair = field(at_least(1), doc="rows and columns of the kernel")
    stride: Pair = field(at_least(1), default=(1, 1), doc="step of the kernel in rows and columns")
    padding: Pair = field(at_least(0), default=(0, 0), doc="border added on each side, in rows and columns")
    pad_value: float = field(default=0.0, doc="value of that border")
    dilation: Pair = field(at_least(1), default=(1, 1), doc="distance of the kernel's taps in rows and columns")
    groups: int = field(at_least(1), default=1, doc="equal groups of maps that see only each other")
    bias: bool | Literal["map", "matrix", "none"] = field(
        default="map", doc="one bias per map, one per unit (matrix), or none; true is map, false none"
    )
    flip: bool = field(default=False, doc="true convolution: the kernel turned by 180 degrees")
    table: Table = field(default=FULL, doc="which input maps each output map sees")
    init: Initializer = field(default=HE, doc="how the weights start (the bias starts at 0)")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        if channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"groups ({self.groups}) must divide both the {channels} input maps and the "
                f"{self.out_channels} output maps"
            )
        (kernel_h, kernel_w), (stride_h, stride_w) = self.kernel_size, self.stride
        (pad_h, pad_w), (dilation_h, dilation_w) = self.padding, self.dilation
        rows = output_size(height, kernel_h, stride_h, pad_h, dilation_h)
        columns = output_size(width, kernel_w, stride_w, pad_w, dilation_w)
        shape = (self.out_channels, channels // self.groups, kernel_h, kernel_w)
        taps = kernel_h * kernel_w
        fan_in, fan_out = shape[1] * taps, self.out_channels // self.groups * taps
        weight = Param(shape, self.init, fan_in, fan_out)
        constants = {}
        connected = self.out_channels * shape[1]
        if self.table != FULL:
            if self.groups > 1:
                raise ShapeError("a table and groups exclude each other")
            used = self.table.matrix(channels, self.out_channels).T
            connected = int(used.sum())
            to_map, from_map = np.nonzero(used)
            weight = Param(
                (connected, kernel_h, kernel_w),
                self.init,
                fan_in=used.sum(axis=1)[to_map, None, None] * taps,
                fan_out=used.sum(axis=0)[from_map, None, None] * taps,
                used=used,
            )
            constants = {"sources": from_map, "starts": np.concatenate([[0], used.sum(axis=1).cumsum()])}
        params = {"weight": weight}
        if self.bias not in (False, "none"):
            bias = (self.out_channels, rows, columns) if self.bias == "matrix" else (self.out_channels,)
            params["bias"] = Param(bias, decay=False)
        top, bottom = _frame(height, rows, kernel_h, stride_h, pad_h, dilation_h)
        left, right = _frame(width, columns, kernel_w, stride_w, pad_w, dilation_w)
        grad_top, grad_bottom = _grad_frame(height, rows, kernel_h, stride_h, pad_h, dilation_h)
        grad_left, grad_right = _grad_frame(width, columns, kernel_w, stride_w, pad_w, dilation_w)
        macs = rows * columns * connected * taps
        units = self.out_channels * rows * columns
        return LayerPlan(
            out_shape=(self.out_channels, rows, columns),
            params=params,
            constants=constants,
            scratch=self._scratch(shape, connected, units),
            frame=(top, bottom, left, right),
            frame_value=self.pad_value,
            grad_frame=(grad_top, grad_bottom, grad_left, grad_right),
            reads=frozenset("x"),
            macs=macs,
            connections=macs + (units if "bias" in params else 0),
            kernel=(dilation_h * (kernel_h - 1) + 1, dilation_w * (kernel_w - 1) + 1),
            jump=self.stride,
        )

    def _scratch(self, shape: tuple[int, ...], connected: int, units: int) -> Scratch:
        bias = units if self.bias == "matrix" else 0
        taps, maps = shape[2] * shape[3], self.out_channels + shape[1]
        if self.table == FULL:
            return Scratch(
                real=lambda k, blocks, lanes, threads: max(
                    k.conv2d.scratch_size(shape, blocks, threads), blocks * bias
                ),
                index=lambda k: k.conv2d.index_size(shape, self.groups),
            )
        return Scratch(
            real=lambda k, blocks, lanes, threads: max(
                k.table_conv2d.scratch_size(connected, taps, blocks, threads), blocks * max(bias, self.out_channels)
            ),
            index=lambda k: k.table_conv2d.index_size(connected, taps, maps),
        )

    def forward(self, b: Buffers, training: bool) -> None:
        weight, bias = b.param["weight"], b.param.get("bias")
        matrix = self.bias == "matrix"
        if matrix:
            b.kernels.unit_bias.fill(bias, b.y, b.blocks, b.threads)
            bias = None
        if self.table == FULL:
            b.kernels.conv2d.forward(
                b.x_framed, weight, bias, b.y, b.real, b.index,
                *self.stride, *self.dilation, self.flip, self.groups, matrix, b.blocks, b.threads,
            )  # fmt: skip
        else:
            b.kernels.table_conv2d.forward(
                b.x_framed, weight, bias, b.y, b.constants["sources"], b.constants["starts"], b.index,
                *self.stride, *self.dilation, self.flip, matrix, b.blocks, b.threads,
            )  # fmt: skip

    def backward(self, b: Buffers) -> None:
        grad, bias = b.grad["weight"], b.grad.get("bias")
        if self.bias == "matrix":
            b.kernels.unit_bias.backward(b.dy, bias, b.real, b.blocks, b.threads)
            bias = None
        if self.table == FULL:
            b.kernels.conv2d.backward_params(
                b.x_framed, b.dy, grad, bias, b.real, b.index,
                *self.stride, *self.dilation, self.flip, self.groups, b.blocks, b.threads,
            )  # fmt: skip
        else:
            if bias is not None:
                b.kernels.unit_bias.backward_maps(b.dy, bias, b.real, b.blocks, b.threads)
            b.kernels.table_conv2d.backward_params(
                b.x_framed, b.dy, grad, b.constants["sources"], b.constants["starts"], b.real, b.index,
                *self.stride, *self.dilation, self.flip, b.blocks, b.threads,
            )  # fmt: skip
        if b.dx is not None:
            self._backward_input(b)

    def _backward_input(self, b: Buffers) -> None:
        lead = [_lead(*axis) for axis in zip(self.kernel_size, self.stride, self.padding, self.dilation, strict=True)]
        window = (*self.stride, *self.dilation, *self.padding, *lead, self.flip)
        if self.table == FULL:
            b.kernels.conv2d.backward_input(
                b.dy_framed, b.param["weight"], b.dx, b.real, b.index, *window, self.groups, b.blocks, b.threads
            )
        else:
            b.kernels.table_conv2d.backward_input(
                b.dy_framed, b.param["weight"], b.dx, b.constants["sources"], b.constants["starts"], b.real, b.index,
                *window, b.blocks, b.threads,
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
