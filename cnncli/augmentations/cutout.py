"""Images with a hole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes
from cnncli.fields import at_least, field


@dataclass(frozen=True, kw_only=True)
class Cutout(Augmentation):
    """Fills a square with `data.fill`; its middle may be any pixel, so that it may stick out.

    References
    ----------
    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    """

    draws: ClassVar[int] = 2

    side: int = field(at_least(1), doc="in pixels")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        first = np.floor(u.T * changes.size).astype(np.int32) - self.side // 2  # (images, 2)
        changes.holes.append(np.stack([first, first + self.side], axis=2).reshape(-1, 4))
