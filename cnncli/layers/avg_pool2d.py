"""Average pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.layers._pool2d import Pool2d
from cnncli.layers.base import Buffers, Example


@dataclass(frozen=True, kw_only=True)
class AvgPool2d(Pool2d):
    """The mean of each window, over the samples of it that lie inside the map.

    References
    ----------
    Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009, layer P_A.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"kernel_size": 2}, ((3, 6, 5),)),
        Example({"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}, ((2, 7, 6),)),
    )

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.pool2d.avg_forward(b.x, b.y, *self.window, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.kernels.pool2d.avg_backward(b.dy, b.dx, *self.window, b.blocks, b.threads)
