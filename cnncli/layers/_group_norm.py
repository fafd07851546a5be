"""What layer and group normalisation share: each image is normalised by itself; ``_fast/groupnorm.pyx`` does it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnncli.errors import ShapeError
from cnncli.fields import field, positive
from cnncli.initializers import ONE
from cnncli.layers.base import Buffers, Layer, LayerPlan, Param, Saved, Shape


@dataclass(frozen=True, kw_only=True)
class NormOfGroups(Layer):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias over groups of the maps of one image."""

    eps: float = field(positive, default=1e-5, doc="added to the variance")

    def group_count(self) -> int:
        """How many groups the maps form."""
        return 1

    def plan_groups(self, shape: Shape, weight_shape: tuple[int, ...]) -> LayerPlan:
        """The plan for weights of a shape."""
        if shape[0] * shape[1] * shape[2] == self.group_count():
            raise ShapeError(f"normalises groups of one number, which makes each of them 0; the input is {shape}")
        weights = math.prod(weight_shape)
        return LayerPlan(
            out_shape=shape,
            params={"weight": Param(weight_shape, ONE, decay=False), "bias": Param(weight_shape, decay=False)},
            saved={
                "centre": Saved((2, self.group_count()), "lane"),
                "change": Saved((2, self.group_count()), "lane"),
                "sums": Saved((2, shape[0]), "lane", "float64"),
                "partial": Saved((2, weights), "block"),
            },
            reads=frozenset("x"),
            kernel=(2 * shape[1] - 1, 2 * shape[2] - 1),  # the whole map, from each of its pixels
        )

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.groupnorm.forward(
            b.x, b.param["weight"].reshape(-1), b.param["bias"].reshape(-1), b.y, b.saved["sums"], b.saved["centre"],
            self.group_count(), self.eps, b.blocks, b.threads,
        )  # fmt: skip

    def backward(self, b: Buffers) -> None:
        b.kernels.groupnorm.backward(
            b.x, b.dy, b.param["weight"].reshape(-1), b.saved["centre"], b.dx, b.grad["weight"].reshape(-1),
            b.grad["bias"].reshape(-1), b.saved["sums"], b.saved["change"], b.saved["partial"], self.group_count(),
            b.blocks, b.threads,
        )  # fmt: skip
