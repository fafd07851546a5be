"""Swish made of straight lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.layers._pointwise import Function, Pointwise
from cnncli.layers.base import Buffers


@dataclass(frozen=True, kw_only=True)
class HardSwish(Pointwise):
    """y = x min(max(x + 3, 0), 6) / 6; the gradient is 0 at -3 and 1 at 3.

    References
    ----------
    Howard et al., "Searching for MobileNetV3", ICCV 2019, section 5.2.
    """

    function = Function.HARD_SWISH

    def choices(self, b: Buffers) -> np.ndarray:
        return np.digitize(b.x, (-3, 3))
