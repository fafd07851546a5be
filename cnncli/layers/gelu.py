"""Gaussian error linear units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from cnncli.fields import field
from cnncli.layers._pointwise import Function, Pointwise
from cnncli.layers.base import Buffers, Example


@dataclass(frozen=True, kw_only=True)
class Gelu(Pointwise):
    """y = x Phi(x), Phi(x) = (1 + erf(x / sqrt(2))) / 2 being the share of a normal distribution below x.

    With ``approximate: tanh``: y = x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    References
    ----------
    Hendrycks and Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 5, 6),)),
        Example({"approximate": "tanh"}, ((3, 5, 6),)),
    )

    approximate: Literal["none", "tanh"] = field(default="none", doc="the exact form, or the one with tanh")

    function = Function.GELU

    def numbers(self, b: Buffers) -> tuple[float, float]:
        return float(self.approximate == "tanh"), 0.0
