"""Absolute value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.layers._pointwise import Function, Pointwise
from cnncli.layers.base import Buffers


@dataclass(frozen=True, kw_only=True)
class Abs(Pointwise):
    """y = |x|; the gradient at 0 is 0.

    References
    ----------
    Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009, layer R_abs.
    """

    function = Function.ABS

    def choices(self, b: Buffers) -> np.ndarray:
        return np.sign(b.x)
