"""Images with more or less contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, around_zero
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Contrast(Augmentation):
    """Multiplies the differences from the mean of each channel by a factor from 1 - amount to 1 + amount.

    What leaves black to white is cut off.
    """

    amount: float = field(between(0, 1), doc="0.2 means 0.8 to 1.2 times")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.gain *= 1 + around_zero(u[0], self.amount)
