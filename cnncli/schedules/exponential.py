"""An even decay."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import between, field
from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class Exponential(Schedule):
    """``gamma ** progress``: an epoch multiplies the rate by `gamma`, evenly over its steps."""

    gamma: float = field(between(0, 1, "(]"), doc="factor of an epoch")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        return float(self.gamma**progress)
