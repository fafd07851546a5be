"""How a convolution is computed: the ways there are, each with the borders and the memory it wants.

Which one a layer takes follows from its options and shapes alone (`LayerPlan.algorithm`), never from the batch, the
threads or the processor, so that results do not depend on them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from cnncli.layers.base import Buffers, Frame, Rectifies, Scratch

Size = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A kernel's way over a map, one entry per axis; `size` and `out` are samples of the input and of the output."""

    size: Size
    out: Size
    kernel: Size
    stride: Size
    padding: Size
    dilation: Size

    @cached_property
    def lead(self) -> Size:
        """Outputs before the first one that the transposed window of the first input would read."""
        rows, columns = (max(0, -((self.padding[a] - self._reach(a)) // self.stride[a])) for a in (0, 1))
        return rows, columns

    @property
    def products(self) -> int:
        """Multiplications of one map by one kernel."""
        return math.prod(self.out) * math.prod(self.kernel)

    def frame(self) -> Frame:
        """Border that the window reaches."""
        (top, bottom), (left, right) = (
            (self.padding[a], (self.out[a] - 1) * self.stride[a] + self._reach(a) + 1 - self.size[a] - self.padding[a])
            for a in (0, 1)
        )
        return top, max(0, bottom), left, max(0, right)

    def grad_frame(self) -> Frame:
        """Border of zeros round the output's gradient that the transposed window reaches."""
        bottom, right = (
            max(0, (self.size[a] - 1 + self.padding[a]) // self.stride[a] - (self.out[a] - 1)) for a in (0, 1)
        )
        return self.lead[0], bottom, self.lead[1], right

    def _reach(self, axis: int) -> int:
        return self.dilation[axis] * (self.kernel[axis] - 1)


class Algorithm:
    """The three passes of a convolution, without the gradient of its bias.

    `rectifies` is as in `LayerPlan`.
    """

    rectifies: ClassVar[Rectifies] = "forward"

    def frames(self) -> tuple[Frame, Frame]:
        """Borders that forward wants round the input and backward round the output's gradient."""
        raise AssertionError(f"{type(self).__name__} has no frames")

    def scratch(self) -> Scratch:
        """Working memory of the three passes."""
        raise AssertionError(f"{type(self).__name__} has no scratch")

    def forward(self, b: Buffers, bias: Any, accumulate: bool) -> None:
        """Write ``b.y``, from one bias per map or none, or add to it."""
        raise AssertionError(f"{type(self).__name__} has no forward pass")

    def backward_params(self, b: Buffers) -> None:
        """Write the gradient of the weights."""
        raise AssertionError(f"{type(self).__name__} has no gradient of the weights")

    def backward_input(self, b: Buffers) -> None:
        """Write ``b.dx``."""
        raise AssertionError(f"{type(self).__name__} has no gradient of the input")


@dataclass(frozen=True)
class Direct(Algorithm):
    """Every product of the definition, on the register tile."""

    window: Window
    shape: tuple[int, ...]  # of the weights
    groups: int
    flip: bool

    def frames(self) -> tuple[Frame, Frame]:
        return self.window.frame(), self.window.grad_frame()

    def scratch(self) -> Scratch:
        return Scratch(
            real=lambda k, blocks, lanes, threads: k.conv2d.scratch_size(self.shape, blocks, threads),
            index=lambda k: k.conv2d.index_size(self.shape, self.groups, self.window.size[0]),
        )

    def forward(self, b: Buffers, bias: Any, accumulate: bool) -> None:
        w = self.window
        b.kernels.conv2d.forward(
            b.x_framed, b.param["weight"], bias, b.y, b.real, b.index,
            *w.stride, *w.dilation, self.flip, self.groups, accumulate, b.rectified, b.blocks, b.threads,
        )  # fmt: skip

    def backward_params(self, b: Buffers) -> None:
        w = self.window
        b.kernels.conv2d.backward_params(
            b.x_framed, b.dy, b.grad["weight"], b.real, b.index,
            *w.stride, *w.dilation, self.flip, self.groups, b.blocks, b.threads,
        )  # fmt: skip

    def backward_input(self, b: Buffers) -> None:
        w = self.window
        b.kernels.conv2d.backward_input(
            b.dy_framed, b.param["weight"], b.dx, b.real, b.index,
            *w.stride, *w.dilation, *w.padding, *w.lead, w.out[0], self.flip, self.groups, b.blocks, b.threads,
        )  # fmt: skip


@dataclass(frozen=True)
class Ragged(Algorithm):
    """By a connection table: only the weights in use exist."""

    window: Window
    connections: int
    maps: int
    flip: bool

    rectifies = "never"

    def frames(self) -> tuple[Frame, Frame]:
        return self.window.frame(), self.window.grad_frame()

    def scratch(self) -> Scratch:
        taps = self.window.kernel[0] * self.window.kernel[1]
        return Scratch(
            real=lambda k, blocks, lanes, threads: k.table_conv2d.scratch_size(self.connections, taps, blocks, threads),
            index=lambda k: k.table_conv2d.index_size(self.connections, taps, self.maps),
        )

    def forward(self, b: Buffers, bias: Any, accumulate: bool) -> None:
        w = self.window
        b.kernels.table_conv2d.forward(
            b.x_framed, b.param["weight"], bias, b.y, b.constants["sources"], b.constants["starts"], b.real, b.index,
            *w.stride, *w.dilation, self.flip, accumulate, b.blocks, b.threads,
        )  # fmt: skip

    def backward_params(self, b: Buffers) -> None:
        w = self.window
        b.kernels.table_conv2d.backward_params(
            b.x_framed, b.dy, b.grad["weight"], b.constants["sources"], b.constants["starts"], b.real, b.index,
            *w.stride, *w.dilation, self.flip, b.blocks, b.threads,
        )  # fmt: skip

    def backward_input(self, b: Buffers) -> None:
        w = self.window
        b.kernels.table_conv2d.backward_input(
            b.dy_framed, b.param["weight"], b.dx, b.constants["sources"], b.constants["starts"], b.real, b.index,
            *w.stride, *w.dilation, *w.padding, *w.lead, self.flip, b.blocks, b.threads,
        )  # fmt: skip
