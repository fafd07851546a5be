"""The lecture's exact vectors against the oracles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference
from lecture_vectors import BLOCK, EXAMPLE_VECTORS, SECOND_MAP, VECTORS, Array, Printed, Vector, maps
from reference import numeric_gradient


def run(vector: Vector) -> dict[str, Array]:
    """Both passes through the oracles; parameters stand in the order of the oracle's arguments."""
    inputs = [vector.x]
    for step in vector.steps:
        inputs.append(getattr(reference, step.layer)(inputs[-1], *step.params.values(), **step.options))
    y = inputs[-1]
    tensors = {"y": y} | {f"{name}.y": output for name, output in zip(vector.names(), inputs[1:], strict=True)}
    if vector.target is None:
        d = np.ones_like(y)
    else:
        tensors["loss"] = reference.sum_squared_error(y, vector.target, reduction="sum")
        (d,) = reference.sum_squared_error_backward(y, vector.target, reduction="sum")
    for name, step, x in reversed(list(zip(vector.names(), vector.steps, inputs[:-1], strict=True))):
        backward = getattr(reference, f"{step.layer}_backward")
        d, *gradients = backward(d, x, *step.params.values(), **step.options)
        tensors |= {f"{name}.d{param}": g for param, g in zip(step.params, gradients, strict=False)}
    return tensors | {"dx": d}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector(vector: Vector) -> None:
    vector.check(run(vector))


@pytest.mark.parametrize("vector", EXAMPLE_VECTORS, ids=lambda vector: vector.name)
def test_whole_back_propagation(vector: Vector) -> None:
    """Every gradient of the example network, flipped or not, against differences of its loss."""
    tensors = run(vector)

    for i, (name, step) in enumerate(zip(vector.names(), vector.steps, strict=True)):
        for param, value in step.params.items():

            def loss(a: Array, i: int = i, param: str = param) -> float:
                steps = list(vector.steps)
                steps[i] = replace(steps[i], params={**steps[i].params, param: a})
                return float(run(replace(vector, steps=tuple(steps)))["loss"])

            np.testing.assert_allclose(tensors[f"{name}.d{param}"], numeric_gradient(loss, value), atol=1e-9)
    dx = numeric_gradient(lambda a: float(run(replace(vector, x=a))["loss"]), vector.x)
    np.testing.assert_allclose(tensors["dx"], dx, atol=1e-9)


def test_inside_weight_of_the_frame() -> None:
    weight = reference.inside_weight(10, 10, size=3, sigma=1.0)
    Printed("corner, edge", "0.526976369832 0.725931380939", lambda w: w[0, [0, 4]]).check(weight, 1e-14)


def test_deviations_of_contrast_normalisation() -> None:
    both = maps(BLOCK / 90, SECOND_MAP)
    for x, across, text in [
        (both[:, :1], "all", "0.188614730659"),
        (both, "all", "0.349267150233"),
        (both, "none", "0.188614730659 0.306295436877"),
    ]:
        v = reference.subtractive_norm2d(x, size=3, sigma=1.0, across=across)
        deviation = reference.local_deviation(v, size=3, sigma=1.0, across=across)
        Printed("c", text, lambda d: d[0].mean(axis=(1, 2))).check(deviation, 1e-14)
    v = reference.subtractive_norm2d(both[:, :1], size=3, sigma=1.0)
    deviation = reference.local_deviation(v, size=3, sigma=1.0)
    Printed("sigma", "0.462208819075", lambda d: d[0, 0, 5, 4]).check(deviation, 1e-14)


def test_second_derivative_of_the_sigmoid() -> None:
    x = np.log(2 + np.sqrt(3)) * np.array([1.0, -1.0])
    curvature = numeric_gradient(lambda a: float(reference.sigmoid_backward(np.ones(2), a)[0].sum()), x)
    np.testing.assert_allclose(curvature, [-0.0962250448649, 0.0962250448649], atol=1e-10)
    np.testing.assert_allclose(x[0], 1.31695789692, atol=5e-12)


def test_printed_numbers_are_compared_to_half_a_unit() -> None:
    printed = Printed("y", "1.25 -3e-4 / 2.50e2")
    np.testing.assert_allclose(printed.half_unit, [0.005, 0.5e-4, 0.5])
    printed.check(np.array([1.2549, -3.4e-4, 250.4]), rtol=0.0)
    for wrong in ([1.2551, -3e-4, 250], [1.25, -3.6e-4, 250], [1.25, -3e-4, np.nan]):
        with pytest.raises(AssertionError, match="off by"):
            printed.check(np.array(wrong), rtol=0.0)
