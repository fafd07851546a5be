"""Half a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cnncli.fields import between, field
from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Half a cosine from the full rate down to `min_factor` of it.

    ``min_factor + (1 - min_factor) * (1 + cos(pi * done)) / 2`` with the share of training behind the warm-up that is
    done.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, equation 5 without
    restarts.
    """

    min_factor: float = field(between(0, 1), default=0.0, doc="factor at the end")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        done = self.share(progress, total)
        return self.min_factor + (1 - self.min_factor) * (1 + math.cos(math.pi * done)) / 2
