"""AdamW."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.fields import at_least, field
from cnncli.optimizers._adam import AdamBase


@dataclass(frozen=True, kw_only=True)
class AdamW(AdamBase):
    """Adam whose weight decay shrinks the weights by lr * weight_decay and leaves the gradient alone.

    References
    ----------
    Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
    """

    decoupled: ClassVar[bool] = True

    weight_decay: float = field(at_least(0), default=0.01, doc="weight decay (biases and normalisation are spared)")
