"""What the section ``train`` does to the loop: accumulation, clipping, groups, moving average, early stopping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import CLASSES, conv, linear
from tasks import MODEL, trainer

from cnncli import _fast
from cnncli.errors import SpecError
from cnncli.evaluation import evaluate
from cnncli.health import Health
from cnncli.optimizers.base import Update
from cnncli.optimizers.sgd import Sgd
from cnncli.sections import Clip, EarlyStopping, Group
from cnncli.training import EpochReport, StepReport, Trainer
from cnncli.workspace import aligned

PLAIN: list[Any] = [conv(6, padding=1), "relu", linear(CLASSES)]
SGD = ("sgd", {"lr": 0.1})


@pytest.fixture
def gradients(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Copies of what the optimizer gets, step by step."""
    seen: list[np.ndarray] = []
    real = Sgd.step

    def step(self: Sgd, u: Update, lr: float, t: int) -> None:
        seen.append(u.grad.copy())
        real(self, u, lr, t)

    monkeypatch.setattr(Sgd, "step", step)
    return seen


# --- accumulation


@pytest.mark.parametrize(("loss", "lr"), [("softmax_cross_entropy", 0.1), ("sum_squared_error", 1e-4)])
def test_batches_make_one_step_as_if_they_were_one(loss: str, lr: float, gradients: list[np.ndarray]) -> None:
    """330 images: steps of 100, the last of a batch of 30 alone; of 80, the last of 80 and 10."""
    for batch_size, accumulate in [(50, 2), (20, 5)]:
        sgd = ("sgd", {"lr": lr})
        parts = trainer(sgd, model=PLAIN, loss=loss, batch_size=batch_size, accumulate=accumulate)
        whole = trainer(sgd, model=PLAIN, loss=loss, batch_size=100)
        gradients.clear()
        reports = [[r for r in each.fit() if isinstance(r, StepReport)] for each in (parts, whole)]
        assert [(r.step, r.images) for r in reports[0]] == [(r.step, r.images) for r in reports[1]]
        assert [r.loss for r in reports[0]] == pytest.approx([r.loss for r in reports[1]], rel=1e-4)
        first, second = gradients[:8], gradients[8:]
        for grad, wanted in zip(first, second, strict=True):
            np.testing.assert_allclose(grad, wanted, atol=1e-3 * np.abs(wanted).max())
        rows = [each.progress.history for each in (parts, whole)]
        assert rows[0][-1]["train_loss"] == pytest.approx(rows[1][-1]["train_loss"], rel=1e-4)
        assert rows[0][-1]["step"] == rows[1][-1]["step"] == 8


def test_random_layers_differ_between_the_batches_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncli.training.look", lambda *_: Health(0, []))
    trained, keys = trainer(epochs=1, validation=False, accumulate=3), []
    dropout, real = trained.network.buffers("dropout_1"), trained.network.forward

    def forward(training: bool = False, step: int = 0) -> None:
        real(training=training, step=step)
        keys.append(dropout.step)

    monkeypatch.setattr(trained.network, "forward", forward)
    list(trained.fit())
    assert keys == [0, 1, 2, 3, 4, 5, 6]


# --- clipping


def test_the_norm_is_clipped(gradients: list[np.ndarray]) -> None:
    list(trainer(SGD, epochs=1, validation=False).fit())
    free = gradients[0]
    norm = np.sqrt((free.astype(float) ** 2).sum())
    for share in (0.5, 2.0):
        gradients.clear()
        next(trainer(SGD, clip=Clip(norm=share * norm)).fit())
        np.testing.assert_allclose(gradients[0], min(share, 1) * free, rtol=1e-5)
    np.testing.assert_array_equal(gradients[0], free)  # the norm is smaller than allowed


def test_values_are_clipped(gradients: list[np.ndarray]) -> None:
    next(trainer(SGD).fit())
    limit = float(np.abs(gradients[0]).max()) / 2
    next(trainer(SGD, clip=Clip(value=limit)).fit())
    np.testing.assert_array_equal(gradients[1], gradients[0].clip(-limit, limit))


@pytest.mark.parametrize(("variant", "dtype"), [(v, d) for v in _fast.available() for d in ("float32", "float64")])
def test_norm(variant: str, dtype: str) -> None:
    """Frozen tensors do not count, threads do not matter, float64 sums do not overflow."""
    rng, sizes = np.random.default_rng(0), [16, 48, 60000, 16384, 32]
    grad, ends = aligned((sum(sizes),), dtype), np.cumsum(sizes)
    grad[...] = 1e25 * rng.normal(size=len(grad))
    for rates in (np.ones(5), np.array([1.0, 0.0, 0.5, 2.0, 0.0]), np.array([0.0, 0, 0, 0, 3])):
        wanted = np.sqrt((grad.astype(float)[np.repeat(rates, sizes) > 0] ** 2).sum())
        kernel, sums = _fast.kernels(dtype, variant).update.norm, np.full(5, np.nan)
        found = [kernel(grad, ends, rates, sums, threads) for threads in (1, 2, 4)]
        assert found[0] == pytest.approx(wanted, rel=1e-12)
        assert found == 3 * found[:1]


# --- groups


def test_factors_of_groups_and_layers(gradients: list[np.ndarray]) -> None:
    groups = (Group(match="linear_*", lr_factor=0.5), Group(match="*.bias", lr_factor=2, decay_factor=0))
    model = [{**conv(6, padding=1), "lr_factor": 0.0}, "relu", {**linear(CLASSES), "decay_factor": 3.0}]
    trained = trainer(("sgd", {"lr": 0.1, "weight_decay": 0.5}), model=model, groups=groups)
    before = {name: array.copy() for name, array in trained.network.param.items()}
    lr = trained._rate()
    next(trained.fit())
    grads = trained.network.segments.views(gradients[0])
    weight = before["linear_1.weight"]
    for name, change in {
        "conv2d_1.weight": 0, "conv2d_1.bias": 0, "linear_1.bias": lr * grads["linear_1.bias"],
        "linear_1.weight": 0.5 * lr * (grads["linear_1.weight"] + 0.5 * 3 * weight),
    }.items():  # fmt: skip
        np.testing.assert_allclose(trained.network.param[name], before[name] - change, atol=1e-6, err_msg=name)


def test_a_group_without_parameters_is_an_error() -> None:
    with pytest.raises(
        SpecError, match=r"train.groups: 'conv\*.bais' means no parameter; did you mean 'conv2d_1.bias'"
    ):
        trainer(groups=(Group(match="conv*.bais"),))


def test_nothing_to_train_is_an_error() -> None:
    with pytest.raises(SpecError, match="all parameters are frozen or have lr_factor 0"):
        trainer(model=[{**linear(CLASSES), "frozen": True}])
    with pytest.raises(SpecError, match="there is nothing to train"):
        trainer(groups=(Group(match="*", lr_factor=0),))


# --- moving average


def test_the_average_is_that_of_the_weights() -> None:
    decay = 0.2
    plain, averaged = trainer(epochs=1), trainer(epochs=1, ema=decay)
    mean = {name: array.astype(float) for name, array in plain.arrays().items() if ":" not in name}
    for t, (left, right) in enumerate(zip(plain.fit(), averaged.fit(), strict=True), start=1):
        if not isinstance(left, StepReport):
            continue
        assert left == right
        kept = min(decay, (1 + t) / (10 + t))
        raw, found = plain.arrays(), averaged.arrays()
        for name, array in mean.items():
            array *= kept
            array += (1 - kept) * raw[name]
            np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6, err_msg=name)
            np.testing.assert_array_equal(found[f"raw:{name}"], raw[name])


def test_the_average_is_what_is_evaluated() -> None:
    trained = trainer(epochs=2, ema=0.9)
    (*_, report) = (r for r in trained.fit() if isinstance(r, EpochReport))
    validation = trained.validation
    assert validation
    raw = evaluate(trained.network, trained.preprocessing, validation.images, validation.labels)
    assert report.row["validation_loss"] != raw.loss
    trained.network.load(trained.arrays())
    found = evaluate(trained.network, trained.preprocessing, validation.images, validation.labels)
    assert report.row["validation_loss"] == found.loss


def test_a_stopped_evaluation_leaves_the_weights() -> None:
    def poll() -> None:
        raise InterruptedError

    trained = trainer(epochs=1, ema=0.9)
    reports = trained.fit(poll)
    for _ in range(trained.steps):
        next(reports)
    before = {name: array.copy() for name, array in trained.arrays().items()}
    with pytest.raises(InterruptedError):
        next(reports)
    after = trained.arrays()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array, err_msg=name)


def test_untrained_the_average_is_the_network() -> None:
    trained = trainer(epochs=0, ema=0.9)
    assert list(trained.fit()) == []
    for name, array in trained.network.arrays().items():
        np.testing.assert_array_equal(trained.arrays()[name], array)


# --- early stopping


def stop_after(trained: Trainer, losses: list[float]) -> int | None:
    """The epoch after which training would end, if validation losses were these."""
    for epoch, loss in enumerate(losses, start=1):
        trained.progress.epoch = epoch
        trained.progress.history.append({"validation_loss": loss, "validation_accuracy": 0.5, "train_loss": -epoch})
        if trained.why_finished():
            return epoch
    return None


@pytest.mark.parametrize(
    ("options", "losses", "epoch"),
    [
        ({"patience": 1}, [3, 2, 2, 1], 3),
        ({"patience": 2}, [3, 4, 2, 4, 2], 5),
        ({"patience": 2}, [3, 2, 1], None),
        ({"patience": 2, "min_delta": 1.0}, [3, 2, 1.5, 0.5], None),
        ({"patience": 2, "min_delta": 1.0}, [3, 2, 2.5, 0.5], 3),
        ({"patience": 3, "monitor": "accuracy"}, [3, 2, 1, 0], 4),
    ],
)
def test_when_it_stops(options: dict[str, Any], losses: list[float], epoch: int | None) -> None:
    trained = trainer(epochs=9, early_stopping=EarlyStopping(**options))
    assert trained.why_finished() is None
    assert stop_after(trained, losses) == epoch


def test_it_stops_and_says_why() -> None:
    trained = trainer(epochs=9, early_stopping=EarlyStopping(patience=2, min_delta=9.0), model=MODEL)
    list(trained.fit())
    assert trained.progress.epoch == 3
    assert trained.why_finished() == "stopped early: the validation loss has made no progress for 2 epochs"
    alone = trainer(epochs=9, early_stopping=EarlyStopping(patience=1, min_delta=9.0), validation=False)
    list(alone.fit())
    assert alone.why_finished() == "stopped early: the training loss has made no progress for 1 epoch"
    done = trainer(epochs=1)
    list(done.fit())
    assert done.why_finished() == "1 epochs of 1 are done"
