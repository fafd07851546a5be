"""The training loop: it learns, always by the same bits, and goes on where it was left."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from tasks import trainer

from cnncli.datasets.base import Images
from cnncli.errors import Diverged
from cnncli.health import Health
from cnncli.optimizers.base import Update
from cnncli.optimizers.sgd import Sgd
from cnncli.progress import Progress
from cnncli.training import EpochReport, StepReport, Trainer

OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"lr": 0.1}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}),
    ("adam", {"lr": 0.01}),
    ("adamw", {"lr": 0.01}),
]
STEPS = 7  # of an epoch: 330 images in batches of 50, the last of 30


def state(trained: Trainer) -> dict[str, np.ndarray]:
    """Copies of everything that training changes."""
    return {name: array.copy() for name, array in trained.arrays().items()}


def assert_same(one: Trainer, other: Trainer) -> None:
    left, right = state(one), state(other)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)
    assert one.progress == other.progress


def test_it_learns() -> None:
    trained = trainer(epochs=6)
    reports = list(trained.fit())
    rows = [report.row for report in reports if isinstance(report, EpochReport)]
    assert rows == trained.progress.history
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    assert rows[-1]["train_accuracy"] > 0.9
    assert rows[-1]["validation_accuracy"] > 0.9
    assert rows[-1].keys() >= {"step", "learning_rate", "validation_loss"}


def test_reports() -> None:
    trained = trainer(epochs=2)
    kinds = [type(report) for report in trained.fit()]
    assert kinds == 2 * [*STEPS * [StepReport], EpochReport]
    assert (trained.progress.epoch, trained.progress.batch, trained.progress.step) == (2, 0, 2 * STEPS)
    assert list(trained.fit()) == []  # nothing is left to do


def test_the_best_epoch_is_that_of_the_validation() -> None:
    trained = trainer(epochs=4)
    best = [r.row["epoch"] for r in trained.fit() if isinstance(r, EpochReport) and r.best]
    ranks = [(row["validation_accuracy"], -row["validation_loss"]) for row in trained.progress.history]
    assert best[0] == 1
    assert trained.progress.best_epoch == best[-1] == 1 + ranks.index(max(ranks))


def test_the_best_epoch_without_validation_is_that_of_the_training_loss() -> None:
    trained = trainer(epochs=3, validation=False)
    list(trained.fit())
    losses = [row["train_loss"] for row in trained.progress.history]
    assert trained.progress.best_epoch == 1 + losses.index(min(losses))
    assert "validation_loss" not in trained.progress.history[0]


def test_every_image_once_an_epoch_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.training.look", lambda *_: Health(0, []))
    seen: list[np.ndarray] = []
    trained = trainer(epochs=2, validation=False)
    real = type(trained.preprocessing).fill

    def fill(self: Any, network: Any, images: Any, indices: np.ndarray) -> None:
        seen.append(indices.copy())
        real(self, network, images, indices)

    monkeypatch.setattr(type(trained.preprocessing), "fill", fill)
    list(trained.fit())
    first, second = np.concatenate(seen[:STEPS]), np.concatenate(seen[STEPS:])
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), np.arange(330))
    assert not np.array_equal(first, second)


def test_random_layers_get_the_number_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.training.look", lambda *_: Health(0, []))
    trained, steps = trainer(epochs=2, validation=False), []
    dropout = trained.network.buffers("dropout_1")
    real = trained.network.forward

    def forward(training: bool = False, step: int = 0) -> None:
        real(training=training, step=step)
        steps.append((training, dropout.step))

    monkeypatch.setattr(trained.network, "forward", forward)
    list(trained.fit())
    assert steps == [(True, step) for step in range(2 * STEPS)]


def test_rows_are_means_over_the_images() -> None:
    trained = trainer(epochs=2, validation=False)
    losses, images, hits = [], [], 0
    for report in trained.fit():
        if isinstance(report, StepReport):
            losses.append(report.loss)
            images.append(report.images)
            hits += trained.network.hits()
            continue
        assert images == 6 * [50] + [30]
        assert report.row["train_loss"] == pytest.approx(np.average(losses, weights=images), rel=1e-12)
        assert report.row["train_accuracy"] == hits / 330
        losses, images, hits = [], [], 0


def test_the_rate_of_a_step_is_that_of_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    trained, rates = trainer(epochs=2, validation=False), []
    real = Sgd.step

    def step(self: Sgd, u: Update, lr: float, t: int) -> None:
        rates.append((t, lr))
        real(self, u, lr, t)

    monkeypatch.setattr(Sgd, "step", step)
    list(trained.fit())
    factors = [trained.schedule.factor((i + 0.5) / STEPS, 2) for i in range(2 * STEPS)]
    assert rates == [(i + 1, pytest.approx(0.1 * factor)) for i, factor in enumerate(factors)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_threads_do_not_matter(optimizer: tuple[str, dict[str, Any]]) -> None:
    trained = [trainer(optimizer, threads=threads, batch_size=150) for threads in (1, 1, 2, 4)]
    for each in trained:
        list(each.fit())
    for other in trained[1:]:
        assert_same(trained[0], other)


def test_the_seed_matters() -> None:
    one, other = trainer(seed=0), trainer(seed=1)
    for each in (one, other):
        list(each.fit())
    assert not np.array_equal(one.network.theta, other.network.theta)


@pytest.mark.parametrize("stop", [1, 4, STEPS, STEPS + 1, STEPS + 2, 2 * STEPS + 1])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_resumed_equals_uninterrupted(optimizer: tuple[str, dict[str, Any]], stop: int) -> None:
    """Left after any report, through JSON and arrays into new objects: the same bits at the end."""
    whole = trainer(optimizer)
    list(whole.fit())
    first = trainer(optimizer)
    reports = first.fit()
    for _ in range(stop):
        next(reports)
    stored, progress = state(first), json.loads(json.dumps(first.progress.to_dict()))
    second = trainer(optimizer)
    second.load(stored)
    second.progress = Progress(**progress)
    list(second.fit())
    assert_same(second, whole)


def test_divergence_is_told_before_the_step_is_taken() -> None:
    trained = trainer(epochs=1)
    reports = trained.fit()
    next(reports)
    before = state(trained)
    trained.network.param["linear_2.bias"][0] = np.nan
    with pytest.raises(Diverged, match=r"the loss is nan in epoch 1, step 2.*lower learning rate"):
        next(reports)
    trained.network.param["linear_2.bias"][0] = before["linear_2.bias"][0]
    after = state(trained)
    for name in trained.network.param:
        np.testing.assert_array_equal(after[name], before[name])


def test_divergence_at_a_huge_rate() -> None:
    trained = trainer(("sgd", {"lr": 1e30}), epochs=1)
    with pytest.raises(Diverged, match="step"):
        list(trained.fit())


def test_poll_stops_an_evaluation() -> None:
    class Stop(Exception):
        pass

    def poll() -> None:
        raise Stop

    trained = trainer(epochs=1)
    with pytest.raises(Stop):
        list(trained.fit(poll))
    assert trained.progress.step == STEPS  # all steps were done, the epoch is not finished
    assert trained.progress.epoch == 0
    assert trained.progress.history == []


def test_the_images_are_left_alone() -> None:
    trained = trainer(epochs=1)
    images: Images = trained.train
    before = images.images.copy(), images.labels.copy()
    list(trained.fit())
    np.testing.assert_array_equal(images.images, before[0])
    np.testing.assert_array_equal(images.labels, before[1])


def test_a_step_of_the_loop_allocates_little() -> None:
    trained = trainer(epochs=1, validation=False, count=4000, batch_size=200)
    reports = trained.fit()
    next(reports)
    tracemalloc.start()
    try:
        for _ in range(5):
            next(reports)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(trained.network.buffers(name).y.nbytes for name in trained.network.graph.plans) > 500_000
    assert peak < 50_000
