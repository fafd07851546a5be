"""The lecture's exact vectors against the oracles, and against the layers in networks."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from chains import by_network, by_oracles
from lecture_vectors import (
    BLOCK,
    SECOND_MAP,
    VECTORS,
    Array,
    Printed,
    Vector,
    contrast,
    maps,
    one,
    points,
    sigmoids,
)  # fmt: skip
from reference import numeric_gradient
from rig import KERNELS

TOLERANCE = {"float64": 1e-13, "float32": 1e-6}  # of the largest of the numbers printed for one part of a tensor
BOTH_MAPS = maps(BLOCK / 90, SECOND_MAP)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector_by_the_oracles(vector: Vector) -> None:
    vector.check(by_oracles(vector))


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vector_by_the_layers(vector: Vector, variant: str, dtype: str) -> None:
    vector.check(by_network(vector, variant=variant, dtype=dtype), TOLERANCE[dtype])


def test_inside_weight_of_the_frame() -> None:
    weight = reference.inside_weight(10, 10, size=3, sigma=1.0)
    Printed("corner, edge", "0.526976369832 0.725931380939", lambda w: w[0, [0, 4]]).check(weight, 1e-14)


DEVIATIONS = [
    (BOTH_MAPS[:, :1], "all", "0.188614730659"),
    (BOTH_MAPS, "all", "0.349267150233"),
    (BOTH_MAPS, "none", "0.188614730659 0.306295436877"),
]


@pytest.mark.parametrize(("x", "across", "text"), DEVIATIONS)
def test_deviations_of_contrast_normalisation(x: Array, across: str, text: str) -> None:
    v = reference.subtractive_norm2d(x, size=3, sigma=1.0, across=across)
    deviation = reference.local_deviation(v, size=3, sigma=1.0, across=across)
    Printed("c", text, lambda d: d[0].mean(axis=(1, 2))).check(deviation, 1e-14)
    if len(x[0]) == 1:
        Printed("sigma", "0.462208819075", lambda d: d[0, 0, 5, 4]).check(deviation, 1e-14)


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize(("x", "across", "text"), DEVIATIONS)
def test_divisors_of_the_layers(x: Array, across: str, text: str, variant: str, dtype: str) -> None:
    """What divides the samples is what lies between the two layers; c is the least of them."""
    v, y = (
        by_network(Vector("", x, contrast(layer, across), ()), variant=variant, dtype=dtype)["y"][0]
        for layer in ("subtractive_norm2d", "contrast_norm2d")
    )
    divisor = np.divide(v, y, out=np.full_like(v, np.inf), where=y != 0)
    groups = divisor.reshape(len(text.split()), -1)
    Printed("c", text, lambda d: d.min(axis=1)).check(groups, TOLERANCE[dtype])
    if len(x[0]) == 1:
        Printed("sigma", "0.462208819075", lambda d: d[0, 5, 4]).check(divisor, TOLERANCE[dtype])


def test_second_derivative_of_the_sigmoid() -> None:
    x = np.log(2 + np.sqrt(3)) * np.array([1.0, -1.0])
    curvature = numeric_gradient(lambda a: float(reference.sigmoid_backward(np.ones(2), a)[0].sum()), x)
    np.testing.assert_allclose(curvature, [-0.0962250448649, 0.0962250448649], atol=1e-10)
    np.testing.assert_allclose(x[0], 1.31695789692, atol=5e-12)


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
def test_curvature_of_the_sigmoid_layer(variant: str, dtype: str) -> None:
    """s'' = s' (1 - 2 s) is greatest and least where the lecture says."""
    extremum = 1.31695789692
    x = np.array([extremum, -extremum, *np.linspace(-8, 8, 801)])
    tensors = by_network(Vector("", points(*x), one("sigmoid"), ()), variant=variant, dtype=dtype)
    curvature = tensors["dx"] * (1 - 2 * tensors["y"])
    Printed("s''", "-0.0962250448649 0.0962250448649", lambda c: c.ravel()[:2]).check(curvature, TOLERANCE[dtype])
    assert np.abs(curvature).max() == pytest.approx(1 / (6 * np.sqrt(3)), rel=TOLERANCE[dtype])


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
def test_gradients_vanish_in_float32_from_75_sigmoids_on(variant: str, dtype: str) -> None:
    slopes = [by_network(sigmoids(depth), variant=variant, dtype=dtype)["dx"].item() for depth in (74, 75)]
    assert slopes == [2.0**-148, 0.0 if dtype == "float32" else 2.0**-150]


def test_printed_numbers_are_compared_to_half_a_unit() -> None:
    printed = Printed("y", "1.25 -3e-4 / 2.50e2")
    np.testing.assert_allclose(printed.half_unit, [0.005, 0.5e-4, 0.5])
    printed.check(np.array([1.2549, -3.4e-4, 250.4]), rtol=0.0)
    for wrong in ([1.2551, -3e-4, 250], [1.25, -3.6e-4, 250], [1.25, -3e-4, np.nan], [1.25, -3e-4, np.inf]):
        with pytest.raises(AssertionError, match="off by"):
            printed.check(np.array(wrong), rtol=1e-6 if np.inf in wrong else 0.0)
