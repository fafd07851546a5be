"""Images in other colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cnncli.augmentations.base import Augmentation, Changes, around_zero
from cnncli.fields import between, field

# from red, green, blue to brightness and two axes of colour (YIQ, as of NTSC): hue is an angle there
_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_RGB = np.linalg.inv(_YIQ)


@dataclass(frozen=True, kw_only=True)
class Colour(Augmentation):
    """Changes saturation and brightness by factors from 1 - x to 1 + x, and turns the hue, each at random.

    Only for colour images. Hue is turned and saturation is scaled in the plane of colours of equal brightness (YIQ).
    What leaves black to white is cut off.
    """

    draws: ClassVar[int] = 3
    only_colour: ClassVar[bool] = True

    saturation: float = field(between(0, 1), default=0.3, doc="0.3 means 0.7 to 1.3 times; 0 would be grey")
    brightness: float = field(between(0, 1), default=0.2, doc="0.2 means 0.8 to 1.2 times")
    hue: float = field(between(0, 180), default=7.0, doc="largest turn, in degrees; 180 is to the opposite colour")

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        saturation, brightness = 1 + around_zero(u[0], self.saturation), 1 + around_zero(u[1], self.brightness)
        angle = np.deg2rad(around_zero(u[2], self.hue))
        turn = np.zeros((u.shape[1], 3, 3))
        turn[:, 0, 0] = 1
        turn[:, 1, 1] = turn[:, 2, 2] = saturation * np.cos(angle)
        turn[:, 2, 1] = saturation * np.sin(angle)
        turn[:, 1, 2] = -turn[:, 2, 1]
        changes.change_colour(brightness[:, np.newaxis, np.newaxis] * (_RGB @ turn @ _YIQ))
