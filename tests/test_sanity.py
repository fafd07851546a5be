"""Small trainings that tell a network that can learn from one that cannot, and honest data from a leak."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cnncli import sanity, spec
from cnncli.experiment import Experiment

ROOT = Path(__file__).parents[1]


def experiment(*overrides: str) -> Experiment:
    return Experiment(spec.load(str(ROOT / "configs" / "mlp.yaml"), overrides), 1)


def test_a_network_without_an_opinion_starts_at_ln_c() -> None:
    level, _, values = sanity.at_start(experiment("model.linear_2.init=0"))
    assert level == "ok"
    assert values["loss"] == pytest.approx(math.log(10), rel=1e-6)


def test_a_network_with_strong_opinions_is_told_of() -> None:
    level, text, _ = sanity.at_start(experiment("model.linear_2.init={normal: 5}"))
    assert level == "warning"
    assert "strong wrong opinions" in text


def test_a_batch_is_learnt_by_heart() -> None:
    level, _, values = sanity.one_batch(experiment())
    assert level == "ok"
    assert values["last"] < 0.02 * values["first"]
    assert values["accuracy"] == 1


@pytest.mark.parametrize(
    ("override", "text"),
    [("optimizer.sgd.lr=1e-7", "cannot even learn these by heart"), ("optimizer.sgd.lr=1e9", "diverged")],
)
def test_a_learning_rate_that_does_not_work(override: str, text: str) -> None:
    level, told, _ = sanity.one_batch(experiment(override))
    assert level == "error"
    assert text in told


def test_shuffled_labels_help_nobody() -> None:
    run = experiment()
    level, _, values = sanity.shuffled_labels(run, run.trainer.validation)
    assert level == "ok"
    assert values["accuracy"] < values["limit"] < 0.5


def test_labels_that_are_known_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With labels that are not shuffled the check must fail."""
    run = experiment()
    monkeypatch.setattr(sanity.random, "permutation", lambda seed, stream, epoch, count: np.arange(count))
    level, text, _ = sanity.shuffled_labels(run, run.trainer.validation)
    assert level == "error"
    assert "labels that it was not told" in text


def test_without_other_images_it_says_so() -> None:
    assert sanity.shuffled_labels(experiment(), None)[0] == "note"
