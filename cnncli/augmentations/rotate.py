"""Images turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, around_zero
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Rotate(Augmentation):
    """Turns an image about its middle, by any angle up to so many degrees either way."""

    degrees: float = field(between(0, 180), doc="largest angle")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        angle = np.deg2rad(around_zero(u[0], self.degrees))
        cosine, sine = np.cos(angle), np.sin(angle)
        changes.transform(cosine, -sine, sine, cosine)
