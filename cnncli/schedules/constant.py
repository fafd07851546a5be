"""The same rate all the time."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same rate all the time."""

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        return 1.0
