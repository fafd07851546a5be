"""Images with a part of another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations._beta import own_shares
from cnncli.augmentations.base import Augmentation, Changes, Mix
from cnncli.fields import between, field


@dataclass(frozen=True, kw_only=True)
class Cutmix(Augmentation):
    """Puts a rectangle of another image of the batch in its place; the classes count by the areas.

    The rectangle has the image's form and takes a share 1 - x of it, where x is the larger of two shares drawn from the
    distribution Beta(alpha, alpha); its middle may be anywhere, and what sticks out is cut off.

    References
    ----------
    Yun, Han, Oh, Chun, Choe and Yoo, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
    Features", ICCV 2019.
    """

    draws: ClassVar[int] = 4

    alpha: float = field(between(0, 10, "(]"), default=1.0, doc="1: any share alike; 0.2: mostly small rectangles")
    p: float = field(between(0, 1), default=1.0, doc="probability")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        size = np.array(changes.size)
        share = np.where(u[1] < self.p, 1 - own_shares(u[0], self.alpha), 0.0)
        sides = (np.sqrt(share) * size[:, np.newaxis]).astype(np.int64)
        first = np.floor(u[2:] * size[:, np.newaxis]).astype(np.int64) - sides // 2
        boxes = np.clip(np.stack([first, first + sides]), 0, size[:, np.newaxis])  # (ends, axes, images)
        areas = np.prod(boxes[1] - boxes[0], axis=0)
        changes.mixes.append(Mix(1 - areas / np.prod(size), boxes.transpose(2, 1, 0).reshape(-1, 4)))
