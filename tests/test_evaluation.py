"""Scores of a network, in batches of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tasks

from cnncli import metrics
from cnncli.evaluation import evaluate, predict
from cnncli.network import Network
from cnncli.training import Trainer


@pytest.fixture(scope="module")
def trained() -> Trainer:
    trainer = tasks.trainer()
    list(trainer.fit())
    return trainer


def fresh(trained: Trainer, batch_size: int, **settings: Any) -> Network:
    network = Network(trained.network.graph, batch_size, training=False, **settings)
    network.load(trained.network.arrays())
    return network


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_size", [1, 7, 8, 9, 64, 200])
def test_batch_size_and_order_change_no_bit(trained: Trainer, batch_size: int, threads: int) -> None:
    data = tasks.images(130, seed=2)
    wanted, losses = predict(trained.network, trained.preprocessing, data.images, data.labels)
    order = np.random.default_rng(0).permutation(130)
    network = fresh(trained, batch_size, threads=threads)
    scores, found = predict(network, trained.preprocessing, data.images[order], data.labels[order])
    np.testing.assert_array_equal(scores, wanted[order])
    np.testing.assert_array_equal(found, losses[order])
    alone, _ = predict(network, trained.preprocessing, data.images)  # without labels
    np.testing.assert_array_equal(alone, wanted)


def test_evaluate(trained: Trainer) -> None:
    data = tasks.images(130, seed=2)
    scores, losses = predict(trained.network, trained.preprocessing, data.images, data.labels)
    found = evaluate(trained.network, trained.preprocessing, data.images, data.labels)
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(losses, -np.log(scores[np.arange(130), data.labels]), rtol=1e-4, atol=1e-6)
    assert found.loss == losses.mean()
    assert found.accuracy == (scores.argmax(axis=1) == data.labels).mean()
    assert found.top(5) == 1.0
    assert found.interval == metrics.wilson_interval(round(found.accuracy * 130), 130)
    assert found.confusion.sum() == 130
    np.testing.assert_array_equal(found.confusion.sum(axis=1), np.bincount(data.labels, minlength=4))


def test_evaluation_leaves_the_network_as_it_was(trained: Trainer) -> None:
    before = {name: array.copy() for name, array in trained.network.arrays().items()}
    data = tasks.images(60, seed=3)
    predict(trained.network, trained.preprocessing, data.images)
    for name, array in trained.network.arrays().items():
        np.testing.assert_array_equal(array, before[name])
    assert trained.network.loss.target is trained.network.target


def test_no_images_at_all(trained: Trainer) -> None:
    scores, losses = predict(trained.network, trained.preprocessing, tasks.images(0).images)
    assert scores.shape == (0, 4)
    assert losses.shape == (0,)


def test_poll_is_asked_between_batches(trained: Trainer) -> None:
    calls: list[int] = []
    predict(fresh(trained, 50), trained.preprocessing, tasks.images(130).images, poll=lambda: calls.append(1))
    assert len(calls) == 3


def test_stopping_a_prediction_leaves_the_network_usable(trained: Trainer) -> None:
    network, data, calls = fresh(trained, 50), tasks.images(60), iter([None])
    with pytest.raises(StopIteration):  # at the second batch
        predict(network, trained.preprocessing, data.images, poll=lambda: next(calls))
    assert evaluate(network, trained.preprocessing, data.images, data.labels).loss > 0
