"""Activations that are a gate times their input, in float32."""

from __future__ import annotations

import numpy as np
import pytest
from fast.test_pointwise import VARIANTS, backward, forward

from cnncli import _fast
from cnncli.layers._pointwise import Function


@pytest.mark.parametrize("function", [Function.GELU, Function.SILU, Function.HARD_SWISH])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("form", [0.0, 1.0])  # of gelu; what the others make of it is the same
def test_gates_in_float32_and_far_from_zero(variant: str, function: Function, form: float) -> None:
    """y = x g(x), g going from 0 to 1: as accurate as in double near zero, 0 and x far from it, slopes 0 and 1."""
    single = _fast.kernels("float32", variant)
    x = np.linspace(-20, 20, 100_000).astype(np.float32)
    double = _fast.kernels("float64")
    assert np.abs(forward(single, function, x, form) - forward(double, function, x, form)).max() < 2e-6
    assert np.abs(backward(single, function, x, form) - backward(double, function, x, form)).max() < 2e-6
    far = np.array([-1e30, -1e10, -1e3, 1e3, 1e10, 1e30], np.float32)
    np.testing.assert_array_equal(forward(single, function, far, form), np.maximum(far, 0))
    np.testing.assert_array_equal(backward(single, function, far, form), far > 0)
