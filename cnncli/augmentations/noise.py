"""Images with noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Noise(Augmentation):
    """Adds a normally distributed number to each pixel and channel, and cuts off what leaves black to white."""

    draws: ClassVar[int] = 0

    std: float = field(between(0, 1), doc="standard deviation; from black to white is 1")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        changes.noise = float(np.hypot(changes.noise, self.std))
