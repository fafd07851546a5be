"""Images moved by whole pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, whole_steps
from cnncli.fields import Pair, at_least, field


@dataclass(frozen=True, kw_only=True)
class Shift(Augmentation):
    """Moves an image up or down and left or right, each by a whole number of up to so many pixels."""

    draws: ClassVar[int] = 2

    pixels: Pair = field(at_least(0), doc="largest distance, or that of rows and that of columns")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        rows, columns = self.pixels
        changes.shift += np.stack([whole_steps(u[0], rows), whole_steps(u[1], columns)])
