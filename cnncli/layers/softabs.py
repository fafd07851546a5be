"""Smooth absolute value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.layers._pointwise import Function, WithSharpness
from cnncli.layers.base import Example


@dataclass(frozen=True, kw_only=True)
class Softabs(WithSharpness):
    """y = (2 / k) ln(1 + exp(k x)) - x - (2 / k) ln 2 = (2 / k) ln cosh(k x / 2): |x| without its kink, y(0) = 0.

    Computed as (2 / k) log1p(2 sinh^2(k x / 4)) for k |x| <= 2 and |x| + (2 / k) (log1p(exp(-k |x|)) - ln 2) beyond.
    dy/dx = tanh(k x / 2), a smooth sign; dy/dk = (x tanh(k x / 2) - y) / k.

    Parameters: k (1,) where it is trained.

    References
    ----------
    Mendez-Vazquez, "Introduction to machine learning: convolutional networks", Cinvestav 2019, rectification layer.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 5, 6),)),
        Example({"k": 2.5, "trained": True}, ((3, 5, 6),)),
    )
    function = Function.SOFTABS
