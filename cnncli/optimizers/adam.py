"""Adam."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.optimizers._adam import AdamBase


@dataclass(frozen=True, kw_only=True)
class Adam(AdamBase):
    """w -= lr * m / (sqrt(v) + eps); weight decay is added to the gradient.

    References
    ----------
    Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1.
    """
