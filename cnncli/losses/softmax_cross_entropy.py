"""Cross-entropy of the softmax of the outputs."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import between, field
from cnncli.losses.base import Loss, LossBuffers


@dataclass(frozen=True, kw_only=True)
class SoftmaxCrossEntropy(Loss):
    """loss = -log p[target] with p = softmax(x), averaged over the batch; scores are p.

    Computed as log sum exp(x - max x) + max x - x[target]; the gradient is (p - onehot(target)) / n. Smoothed labels
    share `label_smoothing` evenly between all classes and leave the target the rest: the loss, also that of
    validation, is then -sum t log p with these t.

    References
    ----------
    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990; Szegedy et al.,
    "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7, for smoothed labels.
    """

    label_smoothing: float = field(between(0, 1, "[)"), default=0.0, doc="what the target leaves to all classes")

    probabilities = True

    def forward(self, b: LossBuffers) -> None:
        if b.shares is not None:
            b.kernels.loss.softmax_cross_entropy(b.x, None, b.y, b.losses, 0.0, b.n, b.blocks)
            b.kernels.loss.softmax_cross_entropy_shared(
                b.x, b.y, b.shares, b.losses, self.label_smoothing, b.n, b.blocks
            )
            return
        b.kernels.loss.softmax_cross_entropy(b.x, b.target, b.y, b.losses, self.label_smoothing, b.n, b.blocks)

    def backward(self, b: LossBuffers) -> None:
        if b.shares is not None:
            b.kernels.loss.softmax_cross_entropy_shared_backward(
                b.y, b.shares, b.dx, self.label_smoothing, self.weight(b.shard.images), b.n, b.blocks
            )
            return
        b.kernels.loss.softmax_cross_entropy_backward(
            b.y, b.target, b.dx, self.label_smoothing, self.weight(b.shard.images), b.n, b.blocks
        )
