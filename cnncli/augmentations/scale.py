"""Images made larger and smaller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, around_zero
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Scale(Augmentation):
    """Makes what an image shows larger or smaller about its middle, by a factor from 1 - amount to 1 + amount."""

    amount: float = field(between(0, 1, "[)"), doc="0.1 means 0.9 to 1.1 times")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        factor = 1 + around_zero(u[0], self.amount)
        changes.transform(factor, 0, 0, factor)
