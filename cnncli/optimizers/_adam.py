"""What Adam and AdamW share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.fields import at_least, between, field, positive
from cnncli.optimizers.base import Optimizer, Update


@dataclass(frozen=True, kw_only=True)
class AdamBase(Optimizer):
    """Steps by running means of the gradient and its square, both corrected for their start at zero."""

    decoupled: ClassVar[bool] = False

    lr: float = field(at_least(0), default=1e-3, doc="learning rate")
    betas: tuple[float, float] = field(
        between(0, 1, "[)"), default=(0.9, 0.999), doc="how much of the running means of gradient and square is kept"
    )
    eps: float = field(positive, default=1e-8, doc="added to the root of the mean square")

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def step(self, u: Update, lr: float, t: int) -> None:
        u.kernels.update.adam(
            u.theta, u.grad, u.slots["first_moment"], u.slots["second_moment"], u.ends, u.rates, u.decays, lr,
            *self.betas, self.eps, self.weight_decay, self.decoupled, t, u.threads,
        )  # fmt: skip
