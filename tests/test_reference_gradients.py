"""Every backward oracle against central differences of its forward oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from reference import Array, numeric_gradient

MAPS = (2, 4, 5, 6)
TABLE = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]])
MASK = np.arange(240).reshape(MAPS) % 3 > 0
SQUARE: dict[str, Any] = {"kernel_size": (2, 2)}
OVERLAPPING: dict[str, Any] = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": True}
STRIDED: dict[str, Any] = {"stride": (2, 1), "padding": (1, 2), "pad_value": -1.0}
RUNNING = {"running_mean": np.array([0.1, 0.2, 0.3, 0.4]), "running_var": np.array([1.0, 2.0, 0.5, 3.0])}
WINDOW: dict[str, Any] = {"size": 3, "sigma": 1.0}
CONTRAST: list[tuple[str, dict[str, Any]]] = [
    ("subtractive_norm2d", {}),
    ("divisive_norm2d", {"c": 0.9}),
    ("contrast_norm2d", {"c": "mean"}),
]

# (layer, inputs, hyperparameters); an input is an array, or the shape of a random one
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("conv2d", [MAPS, (3, 4, 3, 3)], {}),
    ("conv2d", [MAPS, (3, 4, 3, 3), (3,)], STRIDED),
    ("conv2d", [MAPS, (3, 4, 3, 2), (3, 5, 5)], {"padding": ((1, 1), (0, 0)), "flip": True}),
    ("conv2d", [MAPS, (6, 2, 2, 3), (6,)], {"groups": 2, "dilation": (2, 1), "flip": True, **STRIDED}),
    ("conv2d", [MAPS, (3, 4, 3, 3), (3, 3, 4)], {"table": TABLE}),
    ("local2d", [MAPS, (3, 3, 4, 4, 3, 3)], {}),
    ("local2d", [MAPS, (3, 3, 8, 4, 3, 3), (3, 3, 8)], STRIDED),
    ("linear", [MAPS, (3, 120)], {}),
    ("linear", [MAPS, (3, 120), (3,)], {}),
    ("max_pool2d", [MAPS], SQUARE),
    ("max_pool2d", [MAPS], OVERLAPPING),
    ("avg_pool2d", [MAPS], SQUARE),
    ("avg_pool2d", [MAPS], OVERLAPPING),
    ("global_avg_pool2d", [MAPS], {}),
    ("trainable_subsample2d", [MAPS, (4,), (4,)], SQUARE),
    ("trainable_subsample2d", [MAPS, (4,), (4,)], OVERLAPPING),
    ("subsample2d", [MAPS], {}),
    ("subsample2d", [MAPS], {"skip": (2, 0)}),
    *[("blur2d", [MAPS], {"border": border, "stride": (2, 2)}) for border in ("reflect", "edge", "zero")],
    ("blur2d", [MAPS], {"kernel": "box2"}),
    ("blur2d", [(1, 1, 2, 1)], {"kernel": "binomial5", "stride": (2, 1)}),
    ("relu", [MAPS], {}),
    ("leaky_relu", [MAPS], {"negative_slope": 0.2}),
    ("group_norm", [MAPS, (4,), (4,)], {"groups": 2, "eps": 0.1}),
    ("layer_norm", [MAPS, (4, 5, 6), (4, 5, 6)], {}),
    ("layer_norm", [(3, 5, 1, 1), (5,), (5,)], {}),
    ("multiply", [MAPS, MAPS], {}),
    ("multiply", [MAPS, (2, 4, 1, 1)], {}),
    ("prelu", [MAPS, (1,)], {}),
    ("prelu", [MAPS, (4,)], {}),
    ("elu", [MAPS], {"alpha": 0.7}),
    ("gelu", [MAPS], {}),
    ("gelu", [MAPS], {"approximate": "tanh"}),
    ("silu", [MAPS], {}),
    ("hard_swish", [MAPS], {}),
    ("sigmoid", [MAPS], {}),
    ("tanh", [MAPS], {"amplitude": 1.7159, "slope": 2 / 3}),
    ("softplus", [MAPS, np.array(0.7)], {}),
    ("softplus", [MAPS, np.array([0.3, 1.0, 3.0, 10.0])], {}),
    ("abs", [MAPS], {}),
    ("softabs", [MAPS, np.array([0.7])], {}),
    ("softabs", [MAPS, np.array([0.3, 1.0, 3.0, 10.0])], {}),
    ("gain", [MAPS, (1,)], {}),
    ("gain", [MAPS, (4,)], {}),
    ("dropout", [MAPS, MASK], {"p": 0.3}),
    ("flatten", [MAPS], {}),
    ("add", [MAPS, MAPS, MAPS], {}),
    ("concat", [MAPS, (2, 1, 5, 6), (2, 3, 5, 6)], {}),
    ("batch_norm2d", [MAPS, (4,), (4,)], {}),
    ("batch_norm2d", [MAPS, (4,), (4,)], {"training": False, **RUNNING}),
    ("brightness_norm2d", [MAPS, np.array(1.0), np.array(0.3), np.array(0.75)], {}),
    ("brightness_norm2d", [MAPS, np.array([2.0]), np.array([0.3]), np.array([0.4])], {"window": 2}),
    ("brightness_norm2d", [MAPS, np.array(0.5), np.array(0.3), np.array(1.0)], {"window": 3, "same_map": True}),
    *[
        (layer, [MAPS], {"across": across, "border": border, **WINDOW, **least})
        for across in ("all", "none")
        for border in ("corrected", "zero", "reflect", "valid")
        for layer, least in CONTRAST
    ],
]

LOSSES: list[tuple[str, dict[str, Any]]] = [
    ("softmax_cross_entropy", {}),
    ("cross_entropy", {}),
    ("sum_squared_error", {}),
    ("sum_squared_error", {"half": False}),
    ("mean_squared_error", {}),
]


def assert_gradient(gradient: Array, f: Callable[[Array], float], x: Array) -> None:
    numeric = numeric_gradient(f, x)
    assert gradient.shape == numeric.shape
    assert np.abs(gradient - numeric).max() <= 1e-8 * np.abs(numeric).max()


@pytest.mark.parametrize(("layer", "inputs", "options"), CASES)
def test_backward_of_layer(layer: str, inputs: list[Any], options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=i) if isinstance(i, tuple) else i for i in inputs]
    forward = getattr(reference, layer)
    dy = rng.normal(size=forward(*arrays, **options).shape)
    gradients = getattr(reference, f"{layer}_backward")(dy, *arrays, **options)
    for i, gradient in enumerate(gradients):
        if i == len(arrays):
            assert gradient is None  # no bias, no gradient
            continue

        def weighted_sum(a: Array, i: int = i) -> float:
            return float(np.sum(dy * forward(*arrays[:i], a, *arrays[i + 1 :], **options)))

        assert_gradient(gradient, weighted_sum, arrays[i])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("loss", "options"), LOSSES)
def test_backward_of_loss(loss: str, options: dict[str, Any], reduction: str) -> None:
    rng = np.random.default_rng(0)
    y, target = rng.uniform(0.1, 1, size=(2, 3, 5))  # targets that sum to anything (E9)
    options = {"reduction": reduction, **options}
    (gradient,) = getattr(reference, f"{loss}_backward")(y, target, **options)
    assert_gradient(gradient, lambda a: float(getattr(reference, loss)(a, target, **options)), y)


def test_numeric_gradient_is_exact_on_a_quadratic_and_leaves_its_input() -> None:
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    before = x.copy()
    np.testing.assert_allclose(numeric_gradient(lambda a: float(np.sum(a**2)), x), 2 * x, rtol=1e-9)
    np.testing.assert_array_equal(x, before)
