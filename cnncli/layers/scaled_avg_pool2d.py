"""Average pooling with a trained coefficient and bias for every map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from cnncli.initializers import ONE
from cnncli.layers._pool2d import Pool2d
from cnncli.layers.base import Buffers, Example, LayerPlan, Param, Saved, Shape


@dataclass(frozen=True, kw_only=True)
class ScaledAvgPool2d(Pool2d):
    """The mean of each window times a coefficient of its map, plus a bias of its map: the subsampling layer of LeNet.

    Parameters: weight (channels,), which starts at 1, and bias (channels,), which starts at 0. A window of p samples
    counts p + 1 connections.

    References
    ----------
    LeCun et al., "Handwritten digit recognition with a back-propagation network", NIPS 1989, layers H2 and H4; LeCun et
    al., "Gradient-based learning applied to document recognition", Proc. IEEE 86(11), 1998, section II.B.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"kernel_size": 2}, ((3, 6, 5),)),
        Example({"kernel_size": 3, "stride": 2, "ceil_mode": True}, ((2, 6, 7),)),
    )

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        plan = super().plan(in_shapes)
        channels = plan.out_shape[0]
        return replace(
            plan,
            params={"weight": Param((channels,), ONE, decay=False), "bias": Param((channels,), decay=False)},
            saved={
                "mean": Saved(plan.out_shape),
                "dmean": Saved(plan.out_shape),
                "partial": Saved((2, channels), "block"),
            },
            connections=prod(plan.out_shape) * (prod(self.kernel_size) + 1),
        )

    def forward(self, b: Buffers, training: bool) -> None:
        mean = b.saved["mean"]
        b.kernels.pool2d.avg_forward(b.x, mean, *self.window, b.blocks, b.threads)
        b.kernels.affine2d.forward(mean, b.param["weight"], b.param["bias"], b.y, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        dmean = b.saved["dmean"] if b.dx is not None else None
        b.kernels.affine2d.backward(
            b.saved["mean"], b.dy, b.param["weight"], dmean, b.grad["weight"], b.grad["bias"], b.saved["partial"],
            b.blocks, b.threads,
        )  # fmt: skip
        if b.dx is not None:
            b.kernels.pool2d.avg_backward(dmean, b.dx, *self.window, b.blocks, b.threads)
