"""Decay with the inverse of the epochs."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.fields import field, positive
from cnncli.schedules.base import History, Schedule


@dataclass(frozen=True, kw_only=True)
class Inverse(Schedule):
    """``(1 + gamma * progress) ** -power``: Caffe's ``inv``, whose gamma counts steps where this one counts epochs.

    Caffe's LeNet has a gamma of 1e-4 and 938 steps an epoch: 0.0938 here.

    References
    ----------
    Robbins and Monro, "A stochastic approximation method", 1951; Caffe's ``SGDSolver::GetLearningRate``.
    """

    gamma: float = field(positive, doc="how fast it falls: with power 1, half the rate is left after 1 / gamma epochs")
    power: float = field(positive, default=0.75, doc="exponent")

    def after_warmup(self, progress: float, total: int, history: History) -> float:
        return float((1 + self.gamma * progress) ** -self.power)
