"""Max pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from cnncli.errors import ShapeError
from cnncli.layers._pool2d import Pool2d
from cnncli.layers.base import Buffers, Example, LayerPlan, Saved, Shape


@dataclass(frozen=True, kw_only=True)
class MaxPool2d(Pool2d):
    """The largest sample of each window; the gradient goes to the first of them in row-major order.

    References
    ----------
    Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009, layer P_M.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"kernel_size": 2}, ((3, 6, 5),)),
        Example({"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, ((2, 7, 6),)),
    )

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        plan = super().plan(in_shapes)
        if self.kernel_size[0] * self.kernel_size[1] > 65535:
            raise ShapeError("a window may hold at most 65,535 samples")
        return replace(plan, saved={"place": Saved(plan.out_shape, dtype="uint16")}, rectifies="both")

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.pool2d.max_forward(b.x, b.y, b.saved["place"], *self.window, b.rectified, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.kernels.pool2d.max_backward(b.dy, b.saved["place"], b.dx, *self.window, b.blocks, b.threads)

    def choices(self, b: Buffers) -> np.ndarray:
        return b.saved["place"]
