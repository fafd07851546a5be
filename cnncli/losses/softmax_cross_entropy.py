"""Cross-entropy of the softmax of the outputs."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.losses.base import Loss, LossBuffers


@dataclass(frozen=True, kw_only=True)
class SoftmaxCrossEntropy(Loss):
    """loss = -log p[target] with p = softmax(x), averaged over the batch; scores are p.

    Computed as log sum exp(x - max x) + max x - x[target]; the gradient is (p - onehot(target)) / n.

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """

    probabilities = True

    def forward(self, b: LossBuffers) -> None:
        b.kernels.loss.softmax_cross_entropy(b.x, b.target, b.y, b.losses, b.n, b.blocks)

    def backward(self, b: LossBuffers) -> None:
        b.kernels.loss.softmax_cross_entropy_backward(b.y, b.target, b.dx, self.weight(b.n), b.n, b.blocks)
