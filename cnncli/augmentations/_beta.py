"""Shares in which two images are mixed."""

from __future__ import annotations

import numpy as np

_POINTS = 4097


def own_shares(u: np.ndarray, alpha: float) -> np.ndarray:
    """The larger of x and 1 - x for x of the distribution Beta(alpha, alpha), from u uniform in (0, 1).

    The smaller one, x, has a density of x^(alpha - 1) (1 - x)^(alpha - 1) on (0, 1/2). Where that is infinite at 0
    (alpha < 1), s with x = s^(1 / alpha) / 2 has one of (1 - x)^(alpha - 1). The integral is inverted by a table.
    """
    s = np.linspace(0, 1, _POINTS)
    power = max(1 / alpha, 1.0)
    density = s ** max(alpha - 1, 0.0) * (1 - s**power / 2) ** (alpha - 1)
    integral = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    smaller: np.ndarray = np.interp(u * integral[-1], integral, s) ** power / 2
    return 1 - smaller
