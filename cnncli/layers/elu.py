"""Exponential linear units."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import field, positive
from cnncli.layers._pointwise import Function, Pointwise
from cnncli.layers.base import Buffers


@dataclass(frozen=True, kw_only=True)
class Elu(Pointwise):
    """y = x where x > 0, else alpha (exp(x) - 1); dy/dx = 1 or y + alpha.

    References
    ----------
    Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential linear units", ICLR
    2016, eq 15.
    """

    alpha: float = field(positive, default=1.0, doc="minus the value far below zero")

    function = Function.ELU
    from_output = True

    def numbers(self, b: Buffers) -> tuple[float, float]:
        return self.alpha, 0.0
