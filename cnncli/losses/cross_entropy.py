"""Cross-entropy of outputs that are probabilities already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.losses.base import Loss, LossBuffers

SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """loss = -log max(x[target], 1e-12), averaged over the batch; scores are the outputs x.

    The gradient is -1 / max(x, 1e-12) for the target class, also below the limit, and 0 for the others: the outputs
    must add up to 1 by themselves. For plain scores there is softmax_cross_entropy, which is also more accurate.

    References
    ----------
    Bishop, "Neural networks for pattern recognition", 1995, section 6.9.
    """

    probabilities = True
    of_probabilities = True

    def remark(self, b: LossBuffers) -> str | None:
        y = np.moveaxis(b.x[: b.blocks, :, 0, 0], 2, 1).reshape(-1, b.x.shape[1])[: b.n]
        if np.abs(y.sum(axis=1) - 1).max() <= 1e-3 and y.min() >= 0:
            return None
        return "cross_entropy takes the outputs for probabilities, but those of an image do not add up to 1"

    def forward(self, b: LossBuffers) -> None:
        b.kernels.elementwise.copy(b.x, b.y, b.blocks, 1)
        if b.shares is not None:
            b.kernels.loss.cross_entropy_shared(b.x, b.shares, b.losses, SMALLEST, b.n, b.blocks)
        elif b.target is not None:
            b.kernels.loss.cross_entropy(b.x, b.target, b.losses, SMALLEST, b.n, b.blocks)

    def backward(self, b: LossBuffers) -> None:
        kernels, scale = b.kernels.loss, self.weight(b.shard.images)
        if b.shares is not None:
            kernels.cross_entropy_shared_backward(b.x, b.shares, b.dx, SMALLEST, scale, b.n, b.blocks)
        else:
            kernels.cross_entropy_backward(b.x, b.target, b.dx, SMALLEST, scale, b.n, b.blocks)
