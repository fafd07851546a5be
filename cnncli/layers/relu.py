"""Rectified linear units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.layers._pointwise import Function, Pointwise
from cnncli.layers.base import Buffers


@dataclass(frozen=True, kw_only=True)
class Relu(Pointwise):
    """y = max(x, 0); the gradient at 0 is 0.

    References
    ----------
    Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
    """

    function = Function.RELU
    from_output = True

    def choices(self, b: Buffers) -> np.ndarray:
        return b.y > 0
