"""Adagrad."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import at_least, field, positive
from cnncli.optimizers.base import Optimizer, Update


@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """g = gradient + weight_decay * w; s += g^2; w -= lr * g / (sqrt(s) + eps).

    As in PyTorch, but for its `lr_decay`, which is a matter of the schedule (`inverse` with power 1).

    References
    ----------
    Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 12,
    2011.
    """

    lr: float = field(at_least(0), default=0.01, doc="learning rate")
    eps: float = field(positive, default=1e-10, doc="added to the root of the sum of squares")

    def slots(self) -> tuple[str, ...]:
        return ("square_sum",)

    def step(self, u: Update, lr: float, t: int) -> None:
        u.kernels.update.adagrad(
            u.theta, u.grad, u.slots["square_sum"], u.ends, u.rates, u.decays, lr, self.eps, self.weight_decay,
            u.threads,
        )  # fmt: skip
