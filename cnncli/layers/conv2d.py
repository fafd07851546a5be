"""Convolutional layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from cnncli.errors import ShapeError
from cnncli.fields import Pair, at_least, field
from cnncli.initializers import HE, Initializer
from cnncli.layers._convolution import Algorithm, Direct, Ragged, Window
from cnncli.layers._table import FULL, Table
from cnncli.layers._window import output_size
from cnncli.layers._winograd import Filled, Winograd
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Param, Shape


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
        Example({"out_channels": 4, "kernel_size": 3, "padding": 1, "algorithm": "winograd"}, ((3, 6, 5),)),
        Example(
            {"out_channels": 2, "kernel_size": 5, "padding": 2, "flip": True, "algorithm": "winograd"}, ((3, 4, 7),)
        ),
        Example(
            {"out_channels": 17, "kernel_size": 3, "padding": 1, "table": {"random": {"fan_in": 15}}}, ((16, 4, 4),)
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
    algorithm: Literal["auto", "direct", "winograd"] = field(
        default="auto",
        doc="how it is computed: winograd takes half the time or less for kernels of 3x3 and 5x5, with rounding errors "
        "near 1e-5 instead of 1e-6 of the largest output; auto takes it where it pays",
    )

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
        window = Window((height, width), (rows, columns), self.kernel_size, self.stride, self.padding, self.dilation)
        algorithm = self._dense(window, shape)
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
            fill = connected / used.size
            if isinstance(algorithm, Winograd) and (self.algorithm == "winograd" or Filled.pays(window, fill)):
                algorithm = Filled(algorithm, shape)
            else:
                algorithm = Ragged(window, connected, channels + self.out_channels, self.flip)
            constants = {"sources": from_map, "starts": np.concatenate([[0], used.sum(axis=1).cumsum()])}
        params = {"weight": weight}
        if self.bias not in (False, "none"):
            bias = (self.out_channels, rows, columns) if self.bias == "matrix" else (self.out_channels,)
            params["bias"] = Param(bias, decay=False)
        macs = rows * columns * connected * taps
        units = self.out_channels * rows * columns
        frame, grad_frame = algorithm.frames()
        scratch = algorithm.scratch()
        biases = units if self.bias == "matrix" else self.out_channels
        return LayerPlan(
            out_shape=(self.out_channels, rows, columns),
            params=params,
            constants=constants,
            algorithm=algorithm,
            rectifies=algorithm.rectifies,
            scratch=replace(scratch, real=lambda k, *sizes: max(scratch.real(k, *sizes), sizes[0] * biases)),
            frame=frame,
            frame_value=self.pad_value,
            grad_frame=grad_frame,
            reads=frozenset("x"),
            macs=macs,
            connections=macs + (units if "bias" in params else 0),
            kernel=(dilation_h * (kernel_h - 1) + 1, dilation_w * (kernel_w - 1) + 1),
            jump=self.stride,
        )

    def _dense(self, window: Window, shape: tuple[int, ...]) -> Algorithm:
        """The way to compute it without a table.

        Raises
        ------
        ShapeError
            If `algorithm` asks for one that does not exist for such a kernel.
        """
        fits = Winograd.fits(window) and self.groups == 1
        if self.algorithm == "winograd" and not fits:
            raise ShapeError("algorithm winograd: only for kernels of 3x3 or 5x5, with stride, dilation and groups 1")
        if fits and (
            self.algorithm == "winograd" or (self.algorithm == "auto" and Winograd.pays(window, shape[1], shape[0]))
        ):
            return Winograd(window, shape, self.flip)
        return Direct(window, shape, self.groups, self.flip)

    def forward(self, b: Buffers, training: bool) -> None:
        bias = b.param.get("bias")
        matrix = self.bias == "matrix"
        if matrix:
            b.kernels.unit_bias.fill(self._units(bias), b.y, b.blocks, b.threads)
        b.algorithm.forward(b, None if matrix else bias, matrix)

    def backward(self, b: Buffers) -> None:
        if (bias := b.grad.get("bias")) is not None:
            if self.bias == "matrix":
                b.kernels.unit_bias.backward(b.dy, self._units(bias), b.real, b.blocks, b.threads)
            else:
                b.kernels.unit_bias.backward_maps(b.dy, bias, b.real, b.blocks, b.threads)
        b.algorithm.backward_params(b)
        if b.dx is not None:
            b.algorithm.backward_input(b)

    def _units(self, bias: Any) -> Any:
        """The biases of the units that are computed."""
        return bias
