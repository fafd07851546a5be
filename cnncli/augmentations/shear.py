"""Images slanted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, around_zero
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Shear(Augmentation):
    """Slants an image as italics do, its middle row in place, by any angle up to so many degrees either way."""

    degrees: float = field(between(0, 60), doc="largest angle between a slanted line and an upright one")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.transform(1, 0, np.tan(np.deg2rad(around_zero(u[0], self.degrees))), 1)
