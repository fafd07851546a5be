"""Images brighter or darker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, around_zero
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Brightness(Augmentation):
    """Adds one number of up to so much either way to all of an image, and cuts off what leaves black to white."""

    amount: float = field(between(0, 1), doc="largest change; from black to white is 1")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.offset += around_zero(u[0], self.amount)
