"""What layers that filter every map with a fixed kernel share: the passes over a sum of separable terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnncli.errors import ShapeError
from cnncli.layers._bands import Border, bands
from cnncli.layers.base import Buffers, Layer, LayerPlan, Scratch, Shape

Taps = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Filter2d(Layer):
    """y = sum of terms R x C^T over each map, no parameters; R and C correlate rows and columns with 1-D kernels."""

    def terms(self) -> tuple[tuple[Taps, Taps], ...]:
        """The 1-D kernels for (rows, columns) of each term; all have one length."""
        raise AssertionError(f"{type(self).__name__} has no kernels")

    def border_rule(self) -> Border:
        """What stands outside."""
        return "zero"

    def step(self) -> tuple[int, int]:
        """Of the rows and columns that are kept."""
        return (1, 1)

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        size, step = len(self.terms()[0][0]), self.step()
        lost = size - 1 if self.border_rule() == "valid" else 0
        if min(height, width) <= lost:
            raise ShapeError(f"a kernel of {size} does not fit a map of {height} x {width}")
        return LayerPlan(
            out_shape=(channels, -(-(height - lost) // step[0]), -(-(width - lost) // step[1])),
            scratch=Scratch(
                lambda kernels, blocks, lanes, threads: kernels.filter2d.scratch_size(width, lanes, threads)
            ),
            kernel=(size, size),
            jump=step,
        )

    def forward(self, b: Buffers, training: bool) -> None:
        self._apply(b, b.x, b.y, adjoint=False)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            self._apply(b, b.dy, b.dx, adjoint=True)

    def _apply(self, b: Buffers, source: Any, target: Any, adjoint: bool) -> None:
        sizes, border, steps = b.x.shape[2:4], self.border_rule(), self.step()
        for i, taps in enumerate(self.terms()):
            rows, columns = (
                bands(sizes[axis], taps[axis], border, stride=steps[axis], adjoint=adjoint) for axis in (0, 1)
            )
            b.kernels.filter2d.separable(source, target, *rows, *columns, b.real, i > 0, b.blocks, b.threads)
