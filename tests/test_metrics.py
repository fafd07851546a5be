"""Metrics against scikit-learn, and against their definitions."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from cnncli import metrics

CLASSES = 7


@pytest.fixture(params=range(3))
def predictions(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores of 300 images, whose labels leave out one class, and whose guesses another."""
    rng = np.random.default_rng(request.param)
    labels = rng.integers(1, CLASSES, 300)
    scores = rng.random((300, CLASSES)) + np.eye(CLASSES)[labels] / 3
    scores[:, 2] = 0
    return labels, scores


def test_confusion_matrix_accuracy_and_class_scores(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = predictions
    guesses = scores.argmax(axis=1)
    confusion = metrics.confusion_matrix(labels, guesses, CLASSES)
    per_class = metrics.class_scores(confusion)
    expected = sklearn_metrics.precision_recall_fscore_support(
        labels, guesses, labels=np.arange(CLASSES), zero_division=0
    )

    np.testing.assert_array_equal(
        confusion, sklearn_metrics.confusion_matrix(labels, guesses, labels=np.arange(CLASSES))
    )
    assert metrics.accuracy(confusion) == sklearn_metrics.accuracy_score(labels, guesses)
    for ours, theirs in zip((per_class.precision, per_class.recall, per_class.f1), expected, strict=False):
        np.testing.assert_allclose(ours, theirs, rtol=1e-15)
    np.testing.assert_array_equal(per_class.images, expected[3])


def test_confusion_matrices_of_parts_add_up(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = predictions
    guesses = scores.argmax(axis=1).astype(np.int32)
    whole = metrics.confusion_matrix(labels.astype(np.uint8), guesses, CLASSES)
    parts = sum(metrics.confusion_matrix(labels[part], guesses[part], CLASSES) for part in np.split(np.arange(300), 6))
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("k", [1, 2, 5, CLASSES - 1])
def test_top_k(predictions: tuple[np.ndarray, np.ndarray], k: int) -> None:
    labels, scores = predictions
    expected = sklearn_metrics.top_k_accuracy_score(labels, scores, k=k, labels=np.arange(CLASSES), normalize=False)
    assert metrics.in_top_k(scores, labels, k).sum() == expected


def test_top_1_is_argmax_on_ties() -> None:
    scores = np.random.default_rng(0).integers(0, 3, (200, CLASSES)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, CLASSES, 200)
    np.testing.assert_array_equal(metrics.in_top_k(scores, labels, 1), scores.argmax(axis=1) == labels)


def test_nan_is_never_among_the_largest() -> None:
    scores = np.array([[np.nan, 1.0], [np.nan, np.nan]])
    assert not metrics.in_top_k(scores, np.array([0, 1]), 2).any()


def test_nothing_to_measure() -> None:
    confusion = metrics.confusion_matrix(np.array([], int), np.array([], int), 3)
    assert confusion.shape == (3, 3)
    assert metrics.accuracy(confusion) == 0
    assert metrics.class_scores(confusion).f1.tolist() == [0, 0, 0]
    assert metrics.wilson_interval(0, 0) == (0, 1)


@pytest.mark.parametrize(("hits", "images"), [(0, 1), (1, 1), (0, 10_000), (9_912, 10_000), (10_000, 10_000), (3, 7)])
def test_wilson_interval_ends_where_the_observation_is_z_deviations_off(hits: int, images: int) -> None:
    z = 1.959963984540054
    ends = metrics.wilson_interval(hits, images)
    for accuracy in ends:
        assert abs(hits / images - accuracy) == pytest.approx(
            z * np.sqrt(accuracy * (1 - accuracy) / images), rel=1e-9, abs=1e-15
        )
    assert 0 <= ends[0] <= hits / images <= ends[1] <= 1
    assert ends[0] < ends[1]


def test_averages_over_classes(predictions: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = predictions
    guesses = scores.argmax(axis=1)
    per_class = metrics.class_scores(metrics.confusion_matrix(labels, guesses, CLASSES))
    for average, name in ((metrics.macro, "macro"), (metrics.weighted, "weighted")):
        expected = sklearn_metrics.precision_recall_fscore_support(
            labels, guesses, labels=np.arange(CLASSES), average=name, zero_division=0
        )
        np.testing.assert_allclose(average(per_class), expected[:3], rtol=1e-12)
