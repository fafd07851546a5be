"""Falls where training makes no progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cnncli import monitor
from cnncli.fields import at_least, between, field
from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class Plateau(Schedule):
    """After every `patience` epochs in a row without progress the rate is multiplied by `gamma`.

    Progress is a loss (or accuracy) that is better than the best before by more than `min_delta`: that of validation,
    or of training where there is no validation. Everything follows from the history of epochs, which checkpoints hold.
    """

    gamma: float = field(between(0, 1, "()"), default=0.1, doc="factor of each change")
    patience: int = field(at_least(1), default=10, doc="epochs without progress before a change")
    monitor: Literal["loss", "accuracy"] = field(default="loss", doc="what is watched")
    min_delta: float = field(at_least(0), default=1e-4, doc="the least change that counts as progress")
    min_factor: float = field(between(0, 1), default=0.0, doc="the smallest factor")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        waits = monitor.epochs_without_progress(history, self.monitor, self.min_delta)
        falls = sum(1 for wait in waits if wait and wait % self.patience == 0)
        return max(self.min_factor, float(self.gamma**falls))
