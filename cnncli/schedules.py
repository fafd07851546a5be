"""How the learning rate moves: a factor on the optimizer's rate as a function of the epochs trained so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnncli.fields import at_least, between, field


class Schedule:
    """Base of all schedules."""

    def factor(self, progress_epochs: float, total_epochs: int) -> float:
        """The factor on the learning rate.

        Parameters
        ----------
        progress_epochs : float
            Epochs trained so far, the current one as a fraction.
        total_epochs : int
            ``train.epochs``.
        """
        raise AssertionError(f"{type(self).__name__} has no factor")


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same rate all the time."""

    def factor(self, progress_epochs: float, total_epochs: int) -> float:
        """Always 1."""
        return 1.0


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """After every `step_epochs` epochs the rate is multiplied by `gamma`."""

    step_epochs: int = field(at_least(1), doc="epochs between two changes")
    gamma: float = field(between(0, 1, "(]"), default=0.1, doc="factor of each change")

    def factor(self, progress_epochs: float, total_epochs: int) -> float:
        """``gamma ** floor(progress / step_epochs)``."""
        return float(self.gamma ** (progress_epochs // self.step_epochs))


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Half a cosine from the full rate down to `min_factor` of it, after a linear warm-up.

    With progress p, warm-up w and total T: ``p / w`` for p < w, then
    ``min_factor + (1 - min_factor) * (1 + cos(pi * (p - w) / (T - w))) / 2``.

    References
    ----------
    Loshchilov and Hutter, SGDR, 2017, equation 5 without restarts; Goyal et al., Accurate, Large Minibatch SGD, 2017,
    section 2.2 for the warm-up.
    """

    warmup_epochs: float = field(at_least(0), default=0.0, doc="epochs in which the rate rises from 0 to its full size")
    min_factor: float = field(between(0, 1), default=0.0, doc="factor at the end")

    def factor(self, progress_epochs: float, total_epochs: int) -> float:
        """The formula above; it stays at `min_factor` beyond the end."""
        if progress_epochs < self.warmup_epochs:
            return progress_epochs / self.warmup_epochs
        left = total_epochs - self.warmup_epochs
        done = min(1.0, (progress_epochs - self.warmup_epochs) / left) if left > 0 else 1.0
        return self.min_factor + (1 - self.min_factor) * (1 + math.cos(math.pi * done)) / 2


SCHEDULES: dict[str, type[Schedule]] = {"constant": Constant, "step": Step, "cosine": Cosine}
