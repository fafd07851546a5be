"""Logistic sigmoid."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.layers._pointwise import Function, Pointwise


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Pointwise):
    """y = 1 / (1 + exp(-x)).

    With e = exp(-|x|) it is 1 / (1 + e) for x >= 0, else e / (1 + e), and its derivative e / (1 + e)^2. That derivative
    is at most 1/4, which is why gradients vanish in a deep stack of sigmoids.

    References
    ----------
    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986.
    """

    function = Function.SIGMOID
