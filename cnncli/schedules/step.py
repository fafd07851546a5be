"""A fall every so many epochs."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import at_least, between, field
from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """After every `step_epochs` epochs the rate is multiplied by `gamma`: ``gamma ** floor(epochs / step_epochs)``."""

    step_epochs: int = field(at_least(1), doc="epochs between two changes")
    gamma: float = field(between(0, 1, "(]"), default=0.1, doc="factor of each change")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        return float(self.gamma ** (progress // self.step_epochs))
