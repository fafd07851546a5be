"""What max and average pooling share: options, shapes, and the arguments of their kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cnncli.errors import ShapeError
from cnncli.fields import Pair, at_least, field
from cnncli.layers._window import output_size
from cnncli.layers.base import Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class Pool2d(Layer):
    """Windows over a map; samples outside it do not count."""

    kernel_size: Pair = field(at_least(1), doc="rows and columns of the window")
    stride: Pair | None = field(at_least(1), default=None, doc="step of the window; as large as the window if left out")
    padding: Pair = field(at_least(0), default=(0, 0), doc="how far windows may begin and end outside the map")
    ceil_mode: bool = field(default=False, doc="round sizes up, so that partial windows at the end count too")

    @cached_property
    def window(self) -> tuple[int, int, int, int, int, int]:
        return (*self.kernel_size, *(self.stride or self.kernel_size), *self.padding)

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w = self.window
        if 2 * pad_h > kernel_h or 2 * pad_w > kernel_w:
            raise ShapeError(f"padding {self.padding} must be at most half of kernel_size {self.kernel_size}")
        rows = output_size(height, kernel_h, stride_h, pad_h, ceil_mode=self.ceil_mode)
        columns = output_size(width, kernel_w, stride_w, pad_w, ceil_mode=self.ceil_mode)
        return LayerPlan(
            out_shape=(channels, rows, columns), kernel=self.kernel_size, jump=self.stride or self.kernel_size
        )
