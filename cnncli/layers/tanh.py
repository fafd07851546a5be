"""Hyperbolic tangent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.fields import field, positive
from cnncli.layers._pointwise import Function, Pointwise
from cnncli.layers.base import Buffers, Example


@dataclass(frozen=True, kw_only=True)
class Tanh(Pointwise):
    """y = A tanh(S x).

    A = 1.7159 and S = 2/3 are LeCun's choice: f(1) = 1 and f(-1) = -1, so that targets of -1 and 1 lie where the
    function still bends and not at its ends. The derivative is computed as 4 A S e / (1 + e)^2 with e = exp(-2 S |x|),
    which is A S (1 - (y / A)^2) without its cancellation.

    References
    ----------
    LeCun et al., "Efficient backprop", in Neural Networks: Tricks of the Trade, 1998, section 4.4.
    """

    A: float = field(positive, default=1.0, doc="amplitude; 1.7159 is LeCun's")
    S: float = field(positive, default=1.0, doc="factor on the input; 0.6666667 (2/3) is LeCun's")

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 5, 6),)),
        Example({"A": 1.7159, "S": 0.6666667}, ((3, 5, 6),)),
    )
    function = Function.TANH

    def numbers(self, b: Buffers) -> tuple[float, float]:
        return self.A, self.S
