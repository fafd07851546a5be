"""Kernels over flat vectors that no optimizer's test reaches."""

from __future__ import annotations

import numpy as np
import pytest

from cnncli import _fast


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 7, 64, 1001])
def test_finite(variant: str, dtype: str, size: int) -> None:
    update = _fast.kernels(dtype, variant).update
    values = np.full(size, np.finfo(dtype).max, dtype)
    values[::2] = -np.finfo(dtype).smallest_subnormal
    assert update.finite(values)
    for broken in (np.nan, np.inf, -np.inf):
        for place in {0, size // 2, size - 1}:
            changed = values.copy()
            changed[place] = broken
            assert not update.finite(changed)
