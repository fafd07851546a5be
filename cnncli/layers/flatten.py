"""Maps as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.layers.base import Buffers, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class Flatten(Layer):
    """All maps as one vector in the order channel, row, column. `linear` does this by itself."""

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        ((channels, height, width),) = in_shapes
        return LayerPlan(out_shape=(channels * height * width, 1, 1), kernel=(height, width))

    def forward(self, b: Buffers, training: bool) -> None:
        _as_maps(b.y, b.x)[: b.blocks] = b.x[: b.blocks]

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            b.dx[: b.blocks] = _as_maps(b.dy, b.dx)[: b.blocks]


def _as_maps(vector: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """A vector, which may have a border, seen in the shape of maps."""
    block, feature, _, _, lane = vector.strides
    height, width = maps.shape[2:4]
    strides = (block, height * width * feature, width * feature, feature, lane)
    return np.lib.stride_tricks.as_strided(vector, maps.shape, strides)
