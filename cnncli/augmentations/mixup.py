"""Images mixed with one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations._beta import own_shares
from cnncli.augmentations.base import Augmentation, Changes, Mix
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Mixup(Augmentation):
    """Adds to each image another one of its batch, x times the one and 1 - x times the other, and their classes alike.

    x is drawn from the distribution Beta(alpha, alpha) for each image; the larger of x and 1 - x is the image's own.

    References
    ----------
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
    """

    draws: ClassVar[int] = 2

    alpha: float = field(between(0, 10, "(]"), default=0.2, doc="0.2: mostly little of the other; 1: any share alike")
    p: float = field(between(0, 1), default=1.0, doc="probability")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.mixes.append(Mix(np.where(u[1] < self.p, own_shares(u[0], self.alpha), 1.0)))
