"""Batch normalisation beyond its gradients: running averages, evaluation, degenerate batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from cases import ROWS, Case
from oracles import Answer
from rig import Rig, assert_close, gradient, inputs, parameters

TOLERANCE = {"float64": 1e-11, "float32": 1e-5}  # of the largest element of a tensor
CASES = [case for case in ROWS if case.type == "batch_norm2d"]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize(("size", "n"), [(8, 5), (33, 33), (96, 70)])
def test_running_averages(case: Case, size: int, n: int) -> None:
    rig, layer = Rig(case, size), case.layer()
    momentum: float = layer.momentum  # type: ignore[attr-defined]
    mean, var = np.zeros(case.in_shapes[0][0]), np.ones(case.in_shapes[0][0])
    for shift in (0, 5):
        (x,) = inputs(case, n)
        rig.forward([x + shift], parameters(case))
        mean, var = reference.batch_norm2d_running(x + shift, mean, var, momentum=momentum)
    np.testing.assert_allclose(rig.buffers.state["running_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(rig.buffers.state["running_var"], var, rtol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_evaluation_uses_the_averages_and_leaves_them(case: Case) -> None:
    rig, layer, params = Rig(case, 33), case.layer(), parameters(case)
    rng, state = np.random.default_rng(0), rig.buffers.state
    for array in state.values():
        array[...] = rng.uniform(0.5, 2, array.shape)
    before: dict[str, Any] = {name: array.copy() for name, array in state.items()}
    (x,) = inputs(case, 33)
    eps: float = layer.eps  # type: ignore[attr-defined]
    wanted = reference.batch_norm2d(x, params["weight"], params["bias"], **before, training=False, eps=eps)
    np.testing.assert_allclose(rig.forward([x], params, training=False), wanted, rtol=1e-12, atol=1e-12)
    for name, array in state.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_after_evaluation_leave_the_averages_alone(case: Case, dtype: str) -> None:
    """They are numbers like any others then, and not functions of the batch."""
    rig, params = Rig(case, 70, dtype=dtype), parameters(case)
    rng, layer = np.random.default_rng(0), case.layer()
    for array in rig.buffers.state.values():
        array[...] = rng.uniform(0.5, 2, array.shape)
    (x,) = inputs(case, 70)
    y = rig.forward([x], params, training=False)
    (dx,), grads = rig.backward(gradient(y.shape))
    wanted_dx, *wanted = reference.batch_norm2d_backward(
        gradient(y.shape), x, params["weight"], params["bias"], **rig.buffers.state, training=False, eps=layer.eps
    )  # type: ignore[attr-defined]
    found = Answer(y, (dx,), grads)
    assert_close(found, Answer(y, (wanted_dx,), dict(zip(("weight", "bias"), wanted, strict=True))), TOLERANCE[dtype])


def test_a_single_value_becomes_the_bias() -> None:
    case = Case("batch_norm2d", {}, ((3, 1, 1),))
    rig, params = Rig(case, 1), parameters(case)
    y = rig.forward(inputs(case, 1), params)
    np.testing.assert_array_equal(y[0, :, 0, 0], params["bias"])
    (dx,), grads = rig.backward(np.ones((1, 3, 1, 1)))
    np.testing.assert_array_equal(dx, 0)
    np.testing.assert_array_equal(grads["weight"], 0)
    np.testing.assert_array_equal(grads["bias"], 1)
    assert np.isfinite(rig.buffers.state["running_var"]).all()


@pytest.mark.parametrize("n", [33, 70])
def test_a_large_mean_costs_no_digits(n: int) -> None:
    """Sums of squares would lose all of them in single precision."""
    case = Case("batch_norm2d", {}, ((2, 4, 4),))
    rig, params = Rig(case, n, dtype="float32"), parameters(case)
    x = np.round(inputs(case, n)[0] * 64) / 64 + 4096.0
    wanted = reference.batch_norm2d(x, params["weight"], params["bias"])
    np.testing.assert_allclose(rig.forward([x], params), wanted, atol=2e-4)
