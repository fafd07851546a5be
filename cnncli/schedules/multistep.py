"""Falls at given epochs."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from cnncli.fields import Constraint, between, field, positive
from cnncli.schedules.base import History, Schedule

_increasing = Constraint(
    "increasing", lambda values: list(values) == sorted(set(values)), [2, 1], (list,), {"uniqueItems": True}
)


@dataclass(frozen=True, kw_only=True)
class Multistep(Schedule):
    """When `milestones` epochs are done the rate is multiplied by `gamma`: after 80 and 120 for ``[80, 120]``."""

    milestones: tuple[float, ...] = field(positive, _increasing, doc="epochs after which the rate changes")
    gamma: float = field(between(0, 1, "(]"), default=0.1, doc="factor of each change")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        return float(self.gamma ** bisect_right(self.milestones, progress))
