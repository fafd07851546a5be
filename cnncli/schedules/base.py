"""What a schedule is: a factor on the optimizer's learning rate as a function of how far training has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnncli.fields import at_least, field

History = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Base of all schedules: one frozen keyword-only dataclass per file, found by its file's name.

    Every one may begin with a warm-up: a straight line from 0 to what the schedule says at the warm-up's end.

    References
    ----------
    Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.
    """

    warmup_epochs: float = field(
        at_least(0), default=0.0, doc="epochs in which the rate first rises from 0 in a straight line"
    )

    def factor(self, progress: float, total: int, history: History = ()) -> float:
        """The factor on the learning rate.

        Parameters
        ----------
        progress : float
            Epochs trained so far, the current one as a fraction.
        total : int
            ``train.epochs``.
        history : sequence of mapping
            A row for each finished epoch.
        """
        if progress < self.warmup_epochs:
            return progress / self.warmup_epochs * self.after_warmup(self.warmup_epochs, total, history)
        return self.after_warmup(progress, total, history)

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        """The factor without warm-up; epochs count from the start of training."""
        raise AssertionError(f"{type(self).__name__} has no factor")

    def share(self, progress: float, total: int) -> float:
        """How much of the training behind the warm-up is done, from 0 to 1."""
        left = total - self.warmup_epochs
        return min(1.0, (progress - self.warmup_epochs) / left) if left > 0 else 0.0
