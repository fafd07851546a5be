"""Sum of squared errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cnncli.fields import field
from cnncli.losses._squared_error import SquaredError


@dataclass(frozen=True, kw_only=True)
class SumSquaredError(SquaredError):
    """loss = 1/2 sum over outputs of (x - t)^2; training minimises its sum over the batch. Scores are the outputs.

    The gradient is x - t, or 2 (x - t) without the half; ``reduction: mean`` divides both by the number of images. The
    loss that is reported is always the mean over images.

    References
    ----------
    LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural Computation 1(4), 1989.
    """

    half: bool = field(default=True, doc="whether the sum is halved")
    reduction: Literal["sum", "mean"] = field(default="sum", doc="how the losses of a batch are combined in training")

    def factor(self, classes: int) -> float:
        return 0.5 if self.half else 1.0

    def weight(self, n: int) -> float:
        return 1.0 if self.reduction == "sum" else 1.0 / n
