"""Images bent as handwriting varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations.base import MAX_SIGMA, Augmentation, Changes
from cnncli.fields import at_least, between, field


@dataclass(frozen=True, kw_only=True)
class Elastic(Augmentation):
    """Moves every pixel by a random field: numbers from -1 to 1, smoothed by a Gaussian (0 outside), times `alpha`.

    With the paper's numbers for digits, alpha 34 and sigma 4, a pixel moves by 1.4 pixels along each axis (root mean
    square); in general it is alpha / (6.1 sigma). A small sigma with a large alpha tears the image, a large sigma
    shifts it.

    References
    ----------
    Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks Applied to Visual Document
    Analysis", ICDAR 2003, section 2.
    """

    draws: ClassVar[int] = 0

    alpha: float = field(at_least(0), doc="strength")
    sigma: float = field(between(0, MAX_SIGMA, "(]"), default=4.0, doc="width of the Gaussian in pixels")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.elastic.append((self.alpha, self.sigma))
