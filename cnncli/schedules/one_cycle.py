"""Up and down once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnncli.fields import between, field
from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Half a cosine from `start_factor` up to the full rate, another one down to `end_factor`.

    The optimizer's ``lr`` is the highest rate. As PyTorch's ``OneCycleLR`` with its defaults, but for the momentum,
    which stays as it is.

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.
    """

    rise: float = field(between(0, 1, "()"), default=0.3, doc="share of training in which the rate rises")
    start_factor: float = field(between(0, 1), default=0.04, doc="factor at the start")
    end_factor: float = field(between(0, 1), default=4e-6, doc="factor at the end")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        done = self.share(progress, total)
        if done < self.rise:
            return _between(self.start_factor, 1.0, done / self.rise)
        return _between(1.0, self.end_factor, (done - self.rise) / (1 - self.rise))


def _between(first: float, last: float, share: float) -> float:
    """Half a cosine from one value to another."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
