"""The kernels of pointwise functions: accuracy in float32, extremes, memory shared by input and output, threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnncli import _fast
from cnncli._fast import Kernels
from cnncli.layers._pointwise import Function
from cnncli.workspace import Maps, aligned

VARIANTS = _fast.available()
A, S = 1.7159, 2 / 3
LARGEST, SMALLEST, SUBNORMAL = (float(getattr(np.finfo("f4"), name)) for name in ("max", "tiny", "smallest_subnormal"))

Function1 = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(params=VARIANTS)
def single(request: pytest.FixtureRequest) -> Kernels:
    return _fast.kernels("float32", request.param)


@pytest.fixture(params=[(precision, variant) for precision in ("float32", "float64") for variant in VARIANTS], ids=str)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    return _fast.kernels(*request.param)


def floats() -> np.ndarray:
    """Numbers of every size, finely spread where the functions bend."""
    powers = np.geomspace(SUBNORMAL, LARGEST, 200_000)
    found = np.concatenate([powers, np.linspace(0, 4, 400_000), np.linspace(4, 110, 200_000)])
    return np.concatenate([-found, found]).astype(np.float32)


def errors(found: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Distances in units in the last place of the right result as float32."""
    with np.errstate(over="ignore"):
        rounded = right.astype(np.float32)
    unit = np.spacing(np.minimum(np.abs(rounded), np.float32(LARGEST * 0.9))).astype(np.float64)
    infinite = 2.0**128
    return np.abs(np.clip(found.astype(float), -infinite, infinite) - np.clip(right, -infinite, infinite)) / unit


def activation(values: np.ndarray, dtype: str = "float32") -> np.ndarray:
    """Values as one activation of one block, filled up with ones."""
    found = np.ones((1, 1, 1, -(-len(values) // 32), 32), dtype)
    found.reshape(-1)[: len(values)] = values
    return found


def forward(k: Kernels, function: Function, values: np.ndarray, a: float = 1.0, s: float = 1.0) -> np.ndarray:
    x = activation(values, k.precision)
    y = np.full_like(x, np.nan)
    k.pointwise.forward(x, y, function, a, s, 1, 1)
    return y.reshape(-1)[: len(values)]


def backward(k: Kernels, function: Function, values: np.ndarray, a: float = 1.0, s: float = 1.0) -> np.ndarray:
    """f' by way of a gradient of ones."""
    x = activation(values, k.precision)
    dx = np.full_like(x, np.nan)
    k.pointwise.backward(x, np.ones_like(x), dx, function, a, s, 1, 1)
    return dx.reshape(-1)[: len(values)]


def sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def sigmoid_slope(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return e / (1 + e) ** 2


def softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softabs(x: np.ndarray) -> np.ndarray:
    size = np.abs(x)
    near = 2 * np.log1p(2 * np.sinh(np.minimum(size, 1) / 4) ** 2)
    return np.where(size <= 1, near, size + 2 * (np.log1p(np.exp(-size)) - np.log(2)))


@pytest.mark.parametrize(
    ("function", "right", "bound"),
    [
        (Function.SIGMOID, sigmoid, 2.5),
        (Function.TANH, np.tanh, 1.5),
        (Function.SOFTPLUS, softplus, 2.2),
        (Function.SOFTABS, softabs, 3.5),
        (Function.ABS, np.abs, 0.0),
        (Function.RELU, lambda x: np.maximum(x, 0), 0.0),
        (Function.ELU, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), 4.0),
    ],
)
def test_functions_in_float32(single: Kernels, function: Function, right: Function1, bound: float) -> None:
    x = floats()
    assert errors(forward(single, function, x), right(x.astype(np.float64))).max() <= bound


@pytest.mark.parametrize(
    ("function", "right", "bound"),
    [
        (Function.SIGMOID, sigmoid_slope, 4.2),
        (Function.SOFTPLUS, sigmoid, 2.5),
        (Function.SOFTABS, lambda x: np.tanh(x / 2), 1.5),
        (Function.ABS, np.sign, 0.0),
    ],
)
def test_derivatives_in_float32(single: Kernels, function: Function, right: Function1, bound: float) -> None:
    x = floats()
    assert errors(backward(single, function, x), right(x.astype(np.float64))).max() <= bound


def test_scaled_tanh_in_float32(single: Kernels) -> None:
    x = floats()
    x = x[np.abs(x) < 50]
    a, s = np.float64(np.float32(A)), np.float64(np.float32(S))
    y = forward(single, Function.TANH, x, A, S)
    slope = backward(single, Function.TANH, x, A, S)
    np.testing.assert_allclose(y, a * np.tanh(s * x.astype(np.float64)), rtol=4e-7, atol=SMALLEST)
    # the argument's own rounding counts 2 S |x| half units
    np.testing.assert_allclose(slope, 4 * a * s * sigmoid_slope(2 * s * x.astype(np.float64)), rtol=5e-6, atol=SMALLEST)


@pytest.mark.parametrize(
    ("name", "right", "bound"), [("exponential", np.exp, 1.1), ("log_one_plus", np.log1p, 1.4)], ids=str
)
def test_vector_functions(single: Kernels, name: str, right: Function1, bound: float) -> None:
    x = floats()
    if name == "log_one_plus":
        x = np.unique(x[(x >= 0) & (x <= 1)])
    y = np.empty_like(x)
    getattr(single.pointwise, name)(x, y)
    with np.errstate(over="ignore", under="ignore"):
        assert errors(y, right(x.astype(np.float64))).max() <= bound


def test_exponential_at_its_ends(single: Kernels) -> None:
    points = [0, -0.0, 88.72283, 88.72284, 89, 1e30, np.inf, -87.4, -103.2, -104, -1e30, -np.inf, np.nan]
    x = np.array(points, np.float32)
    y = np.empty_like(x)
    single.pointwise.exponential(x, y)
    assert (y[:2] == 1).all()
    assert np.isfinite(y[2])
    assert (y[3:7] == np.inf).all()
    assert 0 < y[7] < SMALLEST
    assert y[8] == SUBNORMAL
    assert (y[9:12] == 0).all()
    assert np.isnan(y[12])


@pytest.mark.parametrize(
    ("function", "at_minus_infinity", "at_infinity"),
    [
        (Function.RELU, 0, np.inf),
        (Function.LEAKY_RELU, -np.inf, np.inf),
        (Function.SIGMOID, 0, 1),
        (Function.TANH, -1, 1),
        (Function.SOFTPLUS, 0, np.inf),
        (Function.ABS, np.inf, np.inf),
        (Function.SOFTABS, np.inf, np.inf),
        (Function.GAIN, -np.inf, np.inf),
        (Function.ELU, -1, np.inf),
    ],
)
def test_infinities_and_nan(kernels: Kernels, function: Function, at_minus_infinity: float, at_infinity: float) -> None:
    x = np.array([-np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(forward(kernels, function, x), [at_minus_infinity, at_infinity, np.nan])


def test_gradients_at_zero(kernels: Kernels) -> None:
    zero = np.array([0.0, -0.0])
    assert not backward(kernels, Function.RELU, zero).any()
    assert not backward(kernels, Function.ABS, zero).any()
    np.testing.assert_allclose(backward(kernels, Function.LEAKY_RELU, zero, 0.25), 0.25)


# Values at which simpler forms overflow or cancel, to 12 digits or more.
POINTS = [
    (Function.SIGMOID, 1.0, 0.0, 0.5),
    (Function.TANH, 0.0, 1.0, 0.9999972559),
    (Function.SOFTPLUS, 1.0, 10.0, 10.0000453988992),
    (Function.SOFTPLUS, 1.0, -1.0, 0.313261687518223),
    (Function.SOFTPLUS, 1e4, 0.0, 6.93147180559945e-5),
    (Function.SOFTPLUS, 1e4, -1e-4, 3.13261687518223e-5),
    (Function.SOFTPLUS, 1e4, 1.0, 1.0),
    (Function.SOFTPLUS, 1e4, -1.0, 0.0),
    (Function.SOFTABS, 1.0, -1.0, 0.240229013916555),
    (Function.SOFTABS, 1.0, 2.0, 0.867561660966054),
    (Function.SOFTABS, 1.0, 10.0, 8.61379643667854),
    (Function.SOFTABS, 10.0, 1.0, 0.861379643667854),
    (Function.SOFTABS, 1e4, 1.0, 0.999861370563888),
    (Function.SOFTABS, 1.0, 1e-4, 2.5e-9),
]


@pytest.mark.parametrize(("function", "k", "x", "y"), POINTS)
def test_points(kernels: Kernels, function: Function, k: float, x: float, y: float) -> None:
    a, s = (A, S) if function == Function.TANH else (k, 0.0)
    found = forward(kernels, function, np.array([1.0 if function == Function.TANH else x]), a, s)[0]
    tolerance = 4e-7 if kernels.precision == "float32" else 2e-9 if function == Function.TANH else 1e-9
    assert found == pytest.approx(y, rel=tolerance, abs=1e-30)


def test_derivatives_where_plain_forms_vanish(single: Kernels) -> None:
    assert backward(single, Function.SIGMOID, np.array([20.0]))[0] == pytest.approx(2.0611537e-9, rel=1e-6)
    assert backward(single, Function.TANH, np.array([10.0]))[0] == pytest.approx(8.2446145e-9, rel=1e-6)


def framed(shape: tuple[int, int, int], blocks: int, lanes: int, dtype: str, seed: int) -> np.ndarray:
    """An activation with a border round it."""
    maps = Maps(shape, blocks, lanes, dtype, (1, 2, 0, 1)).inside
    maps[...] = np.random.default_rng(seed).normal(size=maps.shape) * 3
    return maps


SHAPES = [((5, 3, 7), 3, 32), ((3, 1, 1), 2, 32), ((2, 5, 3), 1, 8), ((7, 20, 20), 4, 32)]


@pytest.mark.parametrize(("shape", "blocks", "lanes"), SHAPES)
@pytest.mark.parametrize("function", Function)
def test_in_place_gives_equal_bits(kernels: Kernels, function: Function, shape: Any, blocks: int, lanes: int) -> None:
    x, dy = (framed(shape, blocks, lanes, kernels.precision, seed) for seed in (0, 1))
    y, dx, in_place = np.zeros_like(x), np.zeros_like(x), x.copy()
    kernels.pointwise.forward(x, y, function, 0.7, 1.3, blocks, 1)
    kernels.pointwise.forward(in_place, in_place, function, 0.7, 1.3, blocks, 1)
    np.testing.assert_array_equal(in_place, y)
    kernels.pointwise.backward(x, dy, dx, function, 0.7, 1.3, blocks, 1)
    over_dy, over_x = dy.copy(), x.copy()
    kernels.pointwise.backward(x, over_dy, over_dy, function, 0.7, 1.3, blocks, 1)
    kernels.pointwise.backward(over_x, dy, over_x, function, 0.7, 1.3, blocks, 1)
    np.testing.assert_array_equal(over_dy, dx)
    np.testing.assert_array_equal(over_x, dx)


@pytest.mark.parametrize("function", [Function.SOFTPLUS, Function.SOFTABS, Function.GAIN])
@pytest.mark.parametrize("per_map", [False, True])
def test_threads_give_equal_bits(kernels: Kernels, function: Function, per_map: bool) -> None:
    shape, blocks, lanes = SHAPES[3]
    x, dy = (framed(shape, blocks, lanes, kernels.precision, seed) for seed in (0, 1))
    results = []
    for threads in (1, 2, 4):
        y, dx = np.zeros_like(x), np.zeros_like(x)
        partial = np.full((blocks, shape[0]), np.nan, kernels.precision)
        da = aligned((shape[0] if per_map else 1,), kernels.precision)
        kernels.pointwise.forward(x, y, function, 0.7, 1.3, blocks, threads)
        kernels.pointwise.backward(x, dy, dx, function, 0.7, 1.3, blocks, threads)
        kernels.pointwise.parameter_gradient(x, dy, partial, da, function, 0.7, blocks, threads)
        results.append((y, dx, da))
    for result in results[1:]:
        for found, right in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("function", [Function.SOFTPLUS, Function.SOFTABS])
@pytest.mark.parametrize(("shape", "blocks", "lanes"), SHAPES)
def test_gradient_of_k(kernels: Kernels, function: Function, shape: Any, blocks: int, lanes: int) -> None:
    x, dy = (framed(shape, blocks, lanes, kernels.precision, seed) for seed in (0, 1))
    partial, dk = np.zeros((blocks, shape[0]), kernels.precision), np.zeros(1, kernels.precision)
    kernels.pointwise.parameter_gradient(x, dy, partial, dk, function, 0.7, blocks, 1)
    double = _fast.kernels("float64").pointwise
    above, below = np.zeros(x.shape), np.zeros(x.shape)
    double.forward(x.astype(float), above, function, 0.7 + 1e-5, 0.0, blocks, 1)
    double.forward(x.astype(float), below, function, 0.7 - 1e-5, 0.0, blocks, 1)
    terms = dy * (above - below) / 2e-5
    tolerance = 1e-6 if kernels.precision == "float32" else 1e-9
    assert dk[0] == pytest.approx(terms.sum(), abs=tolerance * np.abs(terms).sum())


def test_gain_for_each_map_and_for_all(kernels: Kernels) -> None:
    x, dy = (framed((5, 3, 7), 3, 32, kernels.precision, seed) for seed in (0, 1))
    weight = np.arange(1, 6).astype(kernels.precision)
    y, partial, found = np.zeros_like(x), np.zeros((3, 5), kernels.precision), np.zeros_like(weight)
    kernels.pointwise.forward_with(weight, x, y, Function.GAIN, 3, 1)
    np.testing.assert_array_equal(y, x * weight[:, None, None, None])
    kernels.pointwise.forward_with(weight[1:2], x, y, Function.GAIN, 3, 1)
    np.testing.assert_array_equal(y, x * weight[1])
    kernels.pointwise.parameter_gradient(x, dy, partial, found, Function.GAIN, 1.0, 3, 1)
    right = (dy.astype(float) * x).sum((0, 2, 3, 4))
    np.testing.assert_allclose(found, right, atol=1e-4 if kernels.precision == "float32" else 1e-11)


@pytest.mark.parametrize("share", [0, 1])
def test_add_over_one_of_its_inputs(kernels: Kernels, share: int) -> None:
    parts = [framed((3, 4, 5), 2, 32, kernels.precision, seed) for seed in (0, 1)]
    right = parts[0] + parts[1]
    kernels.elementwise.add(*parts, parts[share], None, False, 2, 1)
    np.testing.assert_array_equal(parts[share], right)
