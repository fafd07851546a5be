"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import at_least, between, field
from cnncli.optimizers.base import Optimizer, Update


@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer):
    """g = gradient + weight_decay * w; v = momentum * v + g; w -= lr * v (nesterov: lr * (g + momentum * v)).

    As in PyTorch, without dampening.

    References
    ----------
    Polyak 1964; Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013.
    """

    lr: float = field(at_least(0), default=0.05, doc="learning rate")
    momentum: float = field(between(0, 1, "[)"), default=0.0, doc="share of the last step that is kept")
    nesterov: bool = field(default=False, doc="look ahead along the momentum; needs momentum")

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum greater than 0")

    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def step(self, u: Update, lr: float, t: int) -> None:
        u.kernels.update.sgd(
            u.theta, u.grad, u.slots.get("velocity"), u.ends, u.rates, u.decays, lr, self.momentum, self.nesterov,
            self.weight_decay, u.threads,
        )  # fmt: skip
