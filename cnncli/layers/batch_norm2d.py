"""Batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.fields import between, field, positive
from cnncli.initializers import ONE
from cnncli.layers.base import Buffers, Layer, LayerPlan, Param, Saved, Shape

NOTHING = -0.0  # added to any number, 0 and -0 too, it gives that number


@dataclass(frozen=True, kw_only=True)
class BatchNorm2d(Layer):
    """Each map brought to mean 0 and variance 1 over the batch and its pixels, then scaled and shifted.

    y = (x - mean) / sqrt(variance + eps) * weight + bias. In training mean and (biased) variance are the batch's, and
    running averages of them (of the unbiased variance) are kept for evaluation, as in PyTorch.

    Parameters: weight (channels,), bias (channels,). State: running_mean, running_var (channels,).

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", ICML 2015, algorithm 1.
    """

    eps: float = field(positive, default=1e-5, doc="added to the variance")
    momentum: float = field(between(0, 1), default=0.1, doc="weight of the newest batch in the running averages")

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        channels = in_shapes[0][0]
        return LayerPlan(
            out_shape=in_shapes[0],
            params={
                "weight": Param((channels,), ONE, decay=False),
                "bias": Param((channels,), decay=False),
            },
            state={"running_mean": ((channels,), 0.0), "running_var": ((channels,), 1.0)},
            saved={
                "mean": Saved((channels,), "batch", "float64"),
                "var": Saved((channels,), "batch", "float64"),
                "count": Saved((1,), "node", "float64"),
                "partial": Saved((2, channels), "batch", "float64"),
                "work": Saved((channels, 64), "node", "float64"),
            },
            reads=frozenset("x"),
            rectifies="both",
        )

    def forward(self, b: Buffers, training: bool) -> None:
        norm, param, state = b.kernels.norm2d, b.param, b.state
        mean, var, count = b.saved["mean"], b.saved["var"], b.saved["count"]
        if training:
            count[0] = b.shard.images * b.x.shape[2] * b.x.shape[3]
            if b.shard.divided:
                own = b.shard.own
                norm.statistics(b.x, mean[own], var[own], b.saved["work"], b.n, b.blocks, b.threads)
                b.shard.gather(mean, working=True)
                b.shard.gather(var, working=True)
            norm.train(
                b.x, param["weight"], param["bias"], state["running_mean"], state["running_var"], b.y, mean, var,
                b.saved["work"], self.eps, self.momentum, b.rectified, b.shard.divided, b.shard.images, b.n, b.blocks,
                b.threads,
            )  # fmt: skip
        else:
            mean[0], var[0] = state["running_mean"], state["running_var"]
            count[0] = np.inf  # no value of the batch moves them
            norm.normalize(
                b.x,
                mean[0],
                var[0],
                param["weight"],
                param["bias"],
                b.y,
                self.eps,
                b.rectified,
                b.n,
                b.blocks,
                b.threads,
            )

    def backward(self, b: Buffers) -> None:
        mean, var, count = b.saved["mean"][0], b.saved["var"][0], b.saved["count"][0]
        partial, work, norm = b.saved["partial"], b.saved["work"], b.kernels.norm2d
        if b.shard.divided:
            norm.gradient_sums(
                b.x, b.dy, mean, var, b.param["weight"], b.param["bias"], partial[b.shard.own], work, self.eps,
                b.rectified, b.n, b.blocks, b.threads,
            )  # fmt: skip
            b.shard.gather(partial, working=True)
        norm.backward(
            b.x, b.dy, mean, var, b.param["weight"], b.param["bias"], b.dx, b.grad["weight"], b.grad["bias"], partial,
            work, self.eps, count, b.rectified, b.shard.divided, b.shard.images, b.n, b.blocks, b.threads,
        )  # fmt: skip
        if b.shard.first:  # the sums are those of the whole batch, which count once
            for gradient in b.grad.values():
                gradient[...] = NOTHING
