"""Calibration against its definitions, written down anew, and temperatures against known ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from cnncli.calibration import reliability
from cnncli.errors import DataError
from cnncli.temperature_scaling import fit_temperature, tempered


def probabilities(seed: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Of a network that is right about its own doubts, made surer than that; and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (4000, 6))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(6, p=row) for row in p])
    sharp = np.exp(sharpness * logits)
    return (sharp / sharp.sum(axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_by_its_definition(bins: int) -> None:
    scores, labels = probabilities(0, sharpness=2)
    found = reliability(scores, labels, bins)
    expected, seen = 0.0, 0
    for k in range(bins):
        inside = [i for i, row in enumerate(scores) if k / bins < float(row.max()) <= (k + 1) / bins]
        seen += len(inside)
        assert found.images[k] == len(inside)
        if inside:
            mean = float(np.mean([float(scores[i].max()) for i in inside]))
            right = float(np.mean([scores[i].argmax() == labels[i] for i in inside]))
            assert found.confidence[k] == pytest.approx(mean, rel=1e-12)
            assert found.accuracy[k] == pytest.approx(right, rel=1e-12)
            expected += len(inside) / len(labels) * abs(right - mean)
    assert seen == len(labels)
    assert found.ece == pytest.approx(expected, rel=1e-12)


def test_certain_and_empty() -> None:
    assert reliability(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1])).ece == 0
    assert reliability(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 1])).ece == 0.5
    assert reliability(np.empty((0, 3)), np.empty(0, int)).ece == 0


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_comes_out(sharpness: float) -> None:
    scores, labels = probabilities(1, sharpness)
    temperature = fit_temperature(scores, labels)
    assert temperature == pytest.approx(sharpness, rel=0.06)
    best = minimize_scalar(
        lambda t: log_loss(labels, tempered(scores.astype(np.float64), t), labels=range(6)),
        bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    assert temperature == pytest.approx(best.x, rel=1e-5)
    assert reliability(tempered(scores, temperature), labels).ece < 0.03


def test_tempering_keeps_the_order_and_undoes_itself() -> None:
    scores, _ = probabilities(2)
    warm = tempered(scores, 2.5)
    assert warm.dtype == np.float32
    np.testing.assert_allclose(warm.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(warm.argsort(axis=1), scores.argsort(axis=1))
    np.testing.assert_allclose(tempered(warm.astype(np.float64), 0.4), scores, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(tempered(np.array([[1.0, 0.0]], np.float32), 3.0).sum(), 1)


def test_images_that_give_no_temperature() -> None:
    right = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    with pytest.raises(DataError, match="2 images give no temperature, as nearly all answers are right"):
        fit_temperature(right, np.array([0, 1]))
    with pytest.raises(DataError, match="the answers are no better than chance"):
        fit_temperature(right, np.array([1, 0]))
