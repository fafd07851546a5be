"""Mean squared error."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.losses._squared_error import SquaredError


@dataclass(frozen=True, kw_only=True)
class MeanSquaredError(SquaredError):
    """loss = mean over outputs of (x - t)^2, averaged over the batch; scores are the outputs."""

    def factor(self, classes: int) -> float:
        return 1.0 / classes
