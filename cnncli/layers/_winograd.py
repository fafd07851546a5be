"""Convolution by Winograd's transforms, and by a connection table that is filled up for them."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from cnncli.layers._convolution import Algorithm, Size, Window
from cnncli.layers.base import Buffers, Frame, Scratch

TILE = 4  # outputs of a tile in each direction
FEWEST_PAIRS = {3: 6, 5: 4}  # of maps for each map, so that the transforms pay, by the kernel's size


@dataclass(frozen=True)
class Winograd(Algorithm):
    """By tiles of 4x4 outputs, for kernels of 3x3 (36 products a tile) and 5x5 (64 products)."""

    window: Window
    shape: tuple[int, ...]
    flip: bool

    @classmethod
    def fits(cls, window: Window) -> bool:
        """Whether the transforms exist for such a kernel."""
        return (
            window.kernel in ((3, 3), (5, 5))
            and window.stride == window.dilation == (1, 1)
            and max(window.padding) < window.kernel[0]
        )

    @classmethod
    def pays(cls, window: Window, inputs: int, outputs: int) -> bool:
        """Whether it is worth it, as measured: enough pairs of maps for each transform, no tiles far over the edge."""
        pairs = FEWEST_PAIRS[window.kernel[0]] * (inputs + outputs)
        return inputs * outputs >= pairs and 2 * cls.multiplications(window) <= window.products

    @classmethod
    def multiplications(cls, window: Window) -> int:
        """Of the tiles that cover a map of the output, for each pair of maps."""
        return (window.kernel[0] + 3) ** 2 * cls._tiles(window.out)

    @classmethod
    def _tiles(cls, size: Size) -> int:
        return -(-size[0] // TILE) * -(-size[1] // TILE)

    @property
    def scatters(self) -> bool:
        """Whether the input's gradient goes by tiles of the output: where these are fewer."""
        w = self.window
        return w.padding == (0, 0) and self._tiles(w.out) < self._tiles(w.size)

    def frames(self) -> tuple[Frame, Frame]:
        w = self.window
        bottom, right = (self._reach(w.out[a]) - w.size[a] - w.padding[a] for a in (0, 1))
        if self.scatters:
            grad_bottom, grad_right = (-w.out[a] % TILE for a in (0, 1))
            return (0, bottom, 0, right), (0, grad_bottom, 0, grad_right)
        # the input's gradient reads whole tiles of its own, that of the weights whole tiles of the output
        grad_bottom, grad_right = (
            max(self._reach(w.size[a]) - w.lead[a], self._reach(w.out[a]) + 1 - w.kernel[a]) - w.out[a] for a in (0, 1)
        )
        return (w.padding[0], bottom, w.padding[1], right), (w.lead[0], grad_bottom, w.lead[1], grad_right)

    def _reach(self, size: int) -> int:
        """Samples that all tiles of `size` outputs read."""
        return -(-size // TILE) * TILE + self.window.kernel[0] - 1

    def scratch(self) -> Scratch:
        columns = self.window.size[1], self.window.out[1]
        return Scratch(
            real=lambda k, blocks, lanes, threads: k.winograd2d.scratch_size(
                self.shape, *columns, blocks, lanes, threads
            ),
            index=lambda k: k.winograd2d.index_size(self.shape, *columns),
        )

    def forward(self, b: Buffers, bias: Any, accumulate: bool) -> None:
        b.kernels.winograd2d.forward(
            b.x_framed, b.param["weight"], bias, b.y, b.real, b.index,
            self.flip, accumulate, b.rectified, b.blocks, b.threads,
        )  # fmt: skip

    def backward_params(self, b: Buffers) -> None:
        b.kernels.winograd2d.backward_params(
            b.x_framed, b.dy_framed, b.grad["weight"], b.real, b.index,
            *self.frames()[1][::2], *self.window.out, self.flip, b.blocks, b.threads,
        )  # fmt: skip

    def backward_input(self, b: Buffers) -> None:
        if self.scatters:
            b.kernels.winograd2d.scatter_input(
                b.dy_framed, b.param["weight"], b.dx, b.real, b.index, *self.window.out, self.flip, b.blocks, b.threads
            )
            return
        b.kernels.winograd2d.backward_input(
            b.dy_framed, b.param["weight"], b.dx, b.real, b.index, self.flip, b.blocks, b.threads
        )


@dataclass(frozen=True)
class Filled(Algorithm):
    """By a connection table that is filled up with zeros for an algorithm that knows none."""

    inner: Algorithm
    shape: tuple[int, ...]  # of the weights with those zeros

    @classmethod
    def pays(cls, window: Window, fill: float) -> bool:
        """Whether Winograd's products of a full table cost less than the direct ones of a part `fill`: measured."""
        return 3 * Winograd.multiplications(window) <= 2 * fill * window.products

    @property
    def _size(self) -> int:
        """Elements of the weights, up to the next cache line."""
        return -(-math.prod(self.shape) // 16) * 16

    def frames(self) -> tuple[Frame, Frame]:
        return self.inner.frames()

    def scratch(self) -> Scratch:
        inner = self.inner.scratch()
        return replace(inner, real=lambda k, *sizes: self._size + inner.real(k, *sizes))

    def forward(self, b: Buffers, bias: Any, accumulate: bool) -> None:
        self.inner.forward(self._filled(b), bias, accumulate)

    def backward_params(self, b: Buffers) -> None:
        full = self._full(b)
        self.inner.backward_params(full)
        b.kernels.table_conv2d.take_out(
            full.grad["weight"], b.grad["weight"], b.constants["sources"], b.constants["starts"]
        )

    def backward_input(self, b: Buffers) -> None:
        self.inner.backward_input(self._filled(b))

    def _full(self, b: Buffers) -> Buffers:
        """The same buffers, but for weights (or their gradients) with zeros, which take up the first of the scratch."""
        full = copy(b)
        weight = b.real[: math.prod(self.shape)].reshape(self.shape)
        full.param, full.grad, full.real = {"weight": weight}, {"weight": weight}, b.real[self._size :]
        return full

    def _filled(self, b: Buffers) -> Buffers:
        full = self._full(b)
        b.kernels.table_conv2d.fill_up(
            b.param["weight"], full.param["weight"], b.constants["sources"], b.constants["starts"]
        )
        return full
