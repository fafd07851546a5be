"""A convolution behind which rows and columns are left out, put in by `cnncli.fuse`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from cnncli.fields import Pair, field
from cnncli.layers.base import Buffers, LayerPlan, Shape
from cnncli.layers.conv2d import Conv2d


@dataclass(frozen=True, kw_only=True)
class SkippingConv2d(Conv2d):
    """Only every (skip + 1)-th row and column of the convolution: one with a larger stride.

    A bias of each unit keeps its shape, (out_channels, rows, columns) of the whole output: what is left out gets no
    gradient.
    """

    skip: Pair = field()

    @classmethod
    def of(cls, conv: Conv2d, skip: Pair) -> SkippingConv2d:
        """The convolution of which `skip` rows and columns between two are left out."""
        return cls(**{item.name: getattr(conv, item.name) for item in fields(conv)}, skip=skip)

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        whole = super().plan(in_shapes)
        stride = (self.stride[0] * (self.skip[0] + 1), self.stride[1] * (self.skip[1] + 1))
        options = {item.name: getattr(self, item.name) for item in fields(Conv2d)}
        kept = Conv2d(**options | {"stride": stride}).plan(in_shapes)
        return replace(kept, params=whole.params)

    def backward(self, b: Buffers) -> None:
        if self.bias == "matrix":
            b.grad["bias"].fill(0)
        super().backward(b)

    def _units(self, bias: Any) -> Any:
        return bias[:, :: self.skip[0] + 1, :: self.skip[1] + 1]
