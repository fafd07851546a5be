"""Smooth rectifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.layers._pointwise import Function, WithSharpness
from cnncli.layers.base import Example


@dataclass(frozen=True, kw_only=True)
class Softplus(WithSharpness):
    """y = ln(1 + exp(k x)) / k: the rectifier without its kink, at most ln 2 / k above it.

    Computed as max(x, 0) + log1p(exp(-k |x|)) / k, which cannot overflow. dy/dx = sigmoid(k x),
    dy/dk = -(|x| sigmoid(-k |x|) + log1p(exp(-k |x|)) / k) / k.

    Parameters: k (1,) where it is trained.

    References
    ----------
    Dugas et al., "Incorporating second-order functional knowledge for better option pricing", NIPS 2000.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 5, 6),)),
        Example({"k": 2.5, "trained": True}, ((3, 5, 6),)),
    )
    function = Function.SOFTPLUS
