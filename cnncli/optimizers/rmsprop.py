"""RMSprop."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import at_least, between, field, positive
from cnncli.optimizers.base import Optimizer, Update


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """g = gradient + weight_decay * w; s = alpha * s + (1 - alpha) * g^2; d = g / (sqrt(s) + eps).

    Then w -= lr * d or, with momentum, v = momentum * v + d and w -= lr * v. `centered` takes the square of the
    running mean of g off s. As in PyTorch.

    References
    ----------
    Hinton, "Neural networks for machine learning", lecture 6, 2012; Graves, "Generating sequences with recurrent neural
    networks", 2013, equations 38 to 45, for `centered`.
    """

    lr: float = field(at_least(0), default=0.01, doc="learning rate")
    alpha: float = field(between(0, 1, "[)"), default=0.99, doc="how much of the running mean of squares is kept")
    eps: float = field(positive, default=1e-8, doc="added to the root of the mean square")
    momentum: float = field(between(0, 1, "[)"), default=0.0, doc="share of the last step that is kept")
    centered: bool = field(default=False, doc="divide by the standard deviation instead of the root mean square")

    def slots(self) -> tuple[str, ...]:
        wanted = {"square_mean": True, "mean": self.centered, "velocity": self.momentum > 0}
        return tuple(name for name, used in wanted.items() if used)

    def step(self, u: Update, lr: float, t: int) -> None:
        u.kernels.update.rmsprop(
            u.theta, u.grad, u.slots["square_mean"], u.slots.get("mean"), u.slots.get("velocity"), u.ends, u.rates,
            u.decays, lr, self.alpha, self.eps, self.momentum, self.weight_decay, u.threads,
        )  # fmt: skip
