"""What the layers of local contrast normalisation share: options, matrices, the arguments of the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from cnncli.errors import ShapeError
from cnncli.fields import at_least, between, field, odd, positive
from cnncli.layers._bands import Bands, bands, gaussian
from cnncli.layers.base import Buffers, Layer, LayerPlan, Saved, Scratch, Shape


@dataclass(frozen=True, kw_only=True)
class LocalNorm2d(Layer):
    """Normalisation by means over a Gaussian window; `subtract` and `divide` say what it does with them."""

    subtract: ClassVar[bool]
    divide: ClassVar[bool]

    kernel_size: int = field(odd, between(1, 99), default=9, doc="rows and columns of the window, odd")
    sigma: float = field(positive, default=2.0, doc="standard deviation of the Gaussian, in pixels")
    across: Literal["all", "none"] = field(default="all", doc="one mean over all maps, or one for each map")
    border: Literal["corrected", "zero", "reflect", "valid"] = field(
        default="corrected",
        doc="at the edge weigh only samples inside; or put zeros or the mirror image outside; or let maps shrink",
    )

    @property
    def _floor(self) -> float:
        """Least divisor, negative for the mean over the image."""
        return 0.0

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        lost = self.kernel_size - 1 if self.border == "valid" else 0
        stages = self.subtract + self.divide
        if min(height, width) <= stages * lost:
            needed = stages * lost + 1
            raise ShapeError(f"a window of {needed} in all does not fit a map of {height} x {width}")
        groups = 1 if self.across == "all" else channels
        v_lost, y_lost = lost * self.subtract, lost * stages
        reach = stages * (self.kernel_size - 1) + 1
        saved = {"mean": Saved((groups, height - v_lost, width - v_lost)), "least": Saved((groups,))}
        if self.divide:
            saved["deviation"] = Saved((groups, height - y_lost, width - y_lost))
        return LayerPlan(
            out_shape=(channels, height - y_lost, width - y_lost),
            saved=saved,
            scratch=Scratch(
                lambda kernels, blocks, lanes, threads: kernels.contrast.scratch_size(
                    in_shapes[0], groups == 1, blocks, lanes, threads
                )
            ),
            reads=frozenset("x") if self.divide else frozenset(),
            in_place=not self.divide and not lost,
            kernel=(reach, reach),
        )

    def _tables(self, b: Buffers, adjoint: bool) -> tuple[Bands, ...]:
        """The matrices for rows and columns of the mean (over x) and of the deviation (over what the mean leaves)."""
        taps = gaussian(self.kernel_size, self.sigma)
        sizes = *b.x.shape[2:4], *b.saved["mean"].shape[2:4]
        return tuple(bands(size, taps, self.border, adjoint=adjoint) for size in sizes)

    def _kept(self, b: Buffers) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean = b.saved["mean"]
        return mean, b.saved.get("deviation", mean), b.saved["least"]

    def _options(self) -> tuple[bool, bool, bool, float]:
        return self.subtract, self.divide, self.subtract and self.border != "zero", self._floor

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.contrast.forward(
            b.x, b.y, *self._kept(b), self._tables(b, False), b.real, *self._options(), b.blocks, b.threads
        )

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.kernels.contrast.backward(
                b.x, b.dy, *self._kept(b), b.dx, self._tables(b, True), b.real, *self._options(), b.blocks, b.threads
            )


@dataclass(frozen=True, kw_only=True)
class DividingNorm2d(LocalNorm2d):
    """The same with a floor under the divisor."""

    floor: Literal["mean"] | float = field(
        at_least(0),
        default="mean",
        doc="least divisor: the deviation's mean over the image (over the map), or a number",
    )

    @property
    def _floor(self) -> float:
        return -1.0 if self.floor == "mean" else float(self.floor)
