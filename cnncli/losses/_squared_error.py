"""What the squared errors share: targets of each class, and the factor before the sum."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import field
from cnncli.losses.base import Loss, LossBuffers


@dataclass(frozen=True, kw_only=True)
class SquaredError(Loss):
    """A factor times the sum over outputs of (x - t)^2."""

    targets: tuple[float, float] = field(default=(0.0, 1.0), doc="target of the other classes and of the image's class")

    def factor(self, classes: int) -> float:
        """Factor before one image's sum of squares."""
        raise AssertionError(f"{type(self).__name__} has no factor")

    def forward(self, b: LossBuffers) -> None:
        b.kernels.elementwise.copy(b.x, b.y, b.blocks, 1)
        factor = self.factor(b.x.shape[1])
        if b.shares is not None:
            b.kernels.loss.squared_error_shared(b.x, b.shares, *self.targets, factor, b.losses, b.n, b.blocks)
        elif b.target is not None:
            b.kernels.loss.squared_error(b.x, b.target, *self.targets, factor, b.losses, b.n, b.blocks)

    def backward(self, b: LossBuffers) -> None:
        scale = self.factor(b.x.shape[1]) * self.weight(b.shard.images)
        if b.shares is not None:
            b.kernels.loss.squared_error_shared_backward(b.x, b.shares, b.dx, *self.targets, scale, b.n, b.blocks)
        else:
            b.kernels.loss.squared_error_backward(b.x, b.target, b.dx, *self.targets, scale, b.n, b.blocks)
