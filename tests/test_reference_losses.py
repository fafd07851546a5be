"""The oracles of losses against their values and of optimizers against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference as ref
from numpy.testing import assert_allclose, assert_array_equal


def test_uniform_scores_cost_the_logarithm_of_the_classes() -> None:
    target = ref.code_targets(np.array([3, 7]), 10)
    for loss, y in ((ref.softmax_cross_entropy, 5.0), (ref.cross_entropy, 0.1)):
        assert_allclose(loss(np.full((2, 10), y), target, reduction="none"), np.log(10), rtol=1e-14)


def test_cross_entropy_bears_extreme_scores_and_probabilities() -> None:
    target = ref.code_targets(np.array([1]), 2)
    scores = np.array([[1e4, -1e4]])
    assert ref.softmax_cross_entropy(scores, target, reduction="sum") == 2e4
    assert_array_equal(ref.softmax_cross_entropy_backward(scores, target, reduction="sum")[0], [[1, -1]])
    assert ref.cross_entropy(np.array([[1.0, 0.0]]), target, reduction="sum") == pytest.approx(-np.log(1e-12))
    assert_allclose(ref.cross_entropy_backward(np.array([[1.0, 0.0]]), target, reduction="sum")[0], [[0, -1e12]])


def test_squared_errors_differ_by_their_factors() -> None:
    y, target = np.random.default_rng(0).normal(size=(4, 5)), ref.code_targets(np.array([0, 1, 2, 3]), 5, off=-1.0)
    total = np.sum((y - target) ** 2)
    assert ref.sum_squared_error(y, target, reduction="sum") == pytest.approx(total / 2)
    assert ref.sum_squared_error(y, target, half=False, reduction="mean") == pytest.approx(total / 4)
    assert ref.mean_squared_error(y, target, reduction="mean") == pytest.approx(total / 20)


@pytest.mark.parametrize(
    ("optimizer", "options", "expected"),
    [
        ("sgd", {}, [0.48594364224, -1.5387842636100002, 1.3259059947899998]),
        ("sgd", {"momentum": 0.9, "weight_decay": 0.01}, [0.4453017237115174, -1.9070127693464811, 0.561460510157504]),
        (
            "sgd",
            {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
            [0.4371238894775284, -2.6824545748040114, 0.35447051386040745],
        ),
        ("adam", {}, [0.2988062069827671, -1.297355353588747, 1.707087919115087]),
        (
            "adam",
            {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.05},
            [0.29078136943675703, -1.297500932869382, 1.7073782420434898],
        ),
        ("adamw", {}, [0.2975664265769308, -1.2940912950579566, 1.701477868964879]),
        (
            "adamw",
            {"betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.05},
            [0.3038056984281854, -1.2814365441632414, 1.6797872453644687],
        ),
    ],
)
def test_three_steps_end_where_pytorch_ends(optimizer: str, options: dict[str, Any], expected: list[float]) -> None:
    """Expected values from PyTorch 2.13 in float64."""
    theta = np.array([0.5, -1.0, 2.0])
    slots = [np.zeros(3)] * (1 if optimizer == "sgd" else 2)
    for step in (1, 2, 3):
        grad = theta**2 - 0.3 * step * theta + np.array([0.1, -0.2, 0.3])
        count = {} if optimizer == "sgd" else {"step": step}
        theta, *slots = getattr(ref, optimizer)(theta, grad, *slots, lr=0.1, **count, **options)
    assert_allclose(theta, expected, rtol=1e-13)
