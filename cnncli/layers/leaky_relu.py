"""Rectified linear units with a small slope below zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.fields import field, positive
from cnncli.layers._pointwise import Function, Pointwise
from cnncli.layers.base import Buffers


@dataclass(frozen=True, kw_only=True)
class LeakyRelu(Pointwise):
    """y = x where x > 0, else slope x; the gradient at 0 is the slope.

    References
    ----------
    Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """

    slope: float = field(positive, default=0.01, doc="slope below zero")

    function = Function.LEAKY_RELU
    from_output = True

    def numbers(self, b: Buffers) -> tuple[float, float]:
        return self.slope, 0.0

    def choices(self, b: Buffers) -> np.ndarray:
        return b.y > 0
