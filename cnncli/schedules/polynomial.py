"""Decay by a power of what is left."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import between, field, positive
from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class Polynomial(Schedule):
    """``min_factor + (1 - min_factor) * left ** power`` with the share of training (behind the warm-up) that is left.

    With power 1 a straight line down.
    """

    power: float = field(positive, default=1.0, doc="exponent")
    min_factor: float = field(between(0, 1), default=0.0, doc="factor at the end")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        return self.min_factor + (1 - self.min_factor) * (1 - self.share(progress, total)) ** self.power
