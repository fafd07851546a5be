"""Global average pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnncli.layers.base import Buffers, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class GlobalAvgPool2d(Layer):
    """The mean of each map.

    References
    ----------
    Lin, Chen and Yan, "Network in network", ICLR 2014, section 3.2.
    """

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        return LayerPlan(out_shape=(channels, 1, 1), kernel=(height, width))

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.pool2d.avg_forward(b.x, b.y, *_window(b.x), b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.kernels.pool2d.avg_backward(b.dy, b.dx, *_window(b.dx), b.blocks, b.threads)


def _window(maps: Any) -> tuple[int, int, int, int, int, int]:
    height, width = maps.shape[2:4]
    return height, width, 1, 1, 0, 0
