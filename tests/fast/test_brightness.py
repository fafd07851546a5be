"""The powers of brightness normalisation, which are computed without roots and divisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnncli import _fast

BOUND = {"float32": 8e-7, "float64": 2e-15}


@pytest.mark.parametrize("mu", [0.5, 0.75])
@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("variant", _fast.available())
def test_powers_at_every_magnitude(variant: str, dtype: str, mu: float) -> None:
    """d^-mu from the smallest normal number to the largest; with lambda 0, d is kappa."""
    kernels: Any = _fast.kernels(dtype, variant).brightness
    x, dy, y, dx = (np.ones((1, 1, 1, 1, 32), dtype) for _ in range(4))
    real = np.zeros(kernels.scratch_size((1, 1, 1), 32, 1), dtype)
    info = np.finfo(dtype)
    for kappa in np.geomspace(info.tiny, info.max / 2, 1000).astype(dtype).tolist():
        kernels.across_forward(x, y, None, None, real, kappa, 0.0, mu, 1, 1)
        np.testing.assert_allclose(y, kappa**-mu, rtol=BOUND[dtype])
        kernels.across_backward(x, dy, dx, None, None, None, None, real, kappa, 0.0, mu, 1, 1)
        np.testing.assert_allclose(dx, kappa**-mu, rtol=BOUND[dtype])
