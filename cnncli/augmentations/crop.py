"""A random part of a padded image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, whole_steps
from cnncli.fields import at_least, field


@dataclass(frozen=True, kw_only=True)
class Crop(Augmentation):
    """Pads an image on all sides by `data.fill` and cuts a part of its former size out at a random place.

    It is what recipes for CIFAR-10 call so, with 4 pixels of padding, and comes to the same as a `shift`.
    """

    draws: ClassVar[int] = 2

    padding: int = field(at_least(0), doc="pixels on each side")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.shift += whole_steps(u, self.padding)
