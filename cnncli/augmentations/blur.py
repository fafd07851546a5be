"""Images out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.augmentations.base import MAX_SIGMA, Augmentation, Changes
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Blur(Augmentation):
    """Smooths an image by a Gaussian whose width is anything from 0 to `sigma`; its frame counts as going on."""

    sigma: float = field(between(0, MAX_SIGMA), doc="largest standard deviation of the Gaussian, in pixels")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.blur = np.hypot(changes.blur, u[0] * self.sigma)
