"""Gradients by differences, the judge of every other gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def numeric_gradient(f: Callable[[Array], float], x: Array, eps: float = 1e-5) -> Array:
    """Central differences (f(x + eps) - f(x - eps)) / (2 eps), one element of `x` at a time."""
    x = np.array(x, dtype=np.float64)
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        value = x[i]
        x[i] = value + eps
        above = f(x)
        x[i] = value - eps
        below = f(x)
        x[i] = value
        gradient[i] = (above - below) / (2 * eps)
    return gradient
