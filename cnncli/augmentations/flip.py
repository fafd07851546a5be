"""Images mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Flip(Augmentation):
    """Swaps left and right, with some probability. Not for letters, digits, and all that is something else then."""

    p: float = field(between(0, 1), default=0.5, doc="probability")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.transform(1, 0, 0, np.where(u[0] < self.p, -1, 1))
