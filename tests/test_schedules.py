"""Factors of the learning rate at chosen moments, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cnncli import registry
from cnncli.schedules.base import Schedule

VALUES: list[tuple[str, dict[str, Any], list[tuple[float, float]]]] = [  # of 10 epochs: (progress, factor)
    ("constant", {}, [(0, 1), (9.9, 1)]),
    ("constant", {"warmup_epochs": 2}, [(0, 0), (0.5, 0.25), (2, 1), (9, 1)]),
    ("step", {"step_epochs": 3}, [(2.999, 1), (3, 0.1), (6, 0.01)]),
    ("step", {"step_epochs": 3, "gamma": 0.5}, [(9.5, 0.125)]),
    ("step", {"step_epochs": 3, "warmup_epochs": 4}, [(2, 0.05), (3, 0.075), (4, 0.1), (6, 0.01)]),
    ("multistep", {"milestones": (2, 5.5)}, [(1.999, 1), (2, 0.1), (5.4, 0.1), (5.5, 0.01), (9, 0.01)]),
    ("multistep", {"milestones": (2, 4), "gamma": 0.5, "warmup_epochs": 1}, [(0.5, 0.5), (1, 1), (3, 0.5), (4, 0.25)]),
    ("exponential", {"gamma": 0.81}, [(0, 1), (0.5, 0.9), (2, 0.6561)]),
    ("exponential", {"gamma": 0.5, "warmup_epochs": 2}, [(1, 0.125), (2, 0.25), (3, 0.125)]),
    ("inverse", {"gamma": 1.0, "power": 1.0}, [(0, 1), (1, 0.5), (3, 0.25)]),
    ("inverse", {"gamma": 5.0}, [(3, 0.125)]),
    ("polynomial", {}, [(0, 1), (5, 0.5), (10, 0), (12, 0)]),
    ("polynomial", {"power": 2.0, "min_factor": 0.2}, [(5, 0.4), (10, 0.2)]),
    ("polynomial", {"warmup_epochs": 5}, [(2.5, 0.5), (5, 1), (7.5, 0.5), (10, 0)]),
    ("cosine", {}, [(0, 1), (2.5, 0.8535533905932737), (5, 0.5), (10, 0), (12, 0)]),
    ("cosine", {"min_factor": 0.2}, [(5, 0.6), (10, 0.2)]),
    ("cosine", {"warmup_epochs": 2}, [(0, 0), (0.5, 0.25), (2, 1), (6, 0.5), (10, 0)]),
    ("one_cycle", {}, [(0, 0.04), (1.5, 0.52), (3, 1), (6.5, (1 + 4e-6) / 2), (10, 4e-6), (12, 4e-6)]),
    ("one_cycle", {"rise": 0.5, "start_factor": 0.2, "end_factor": 0.0}, [(0, 0.2), (2.5, 0.6), (5, 1), (7.5, 0.5)]),
    ("one_cycle", {"warmup_epochs": 2}, [(1, 0.02), (2, 0.04), (4.4, 1), (10, 4e-6)]),
    ("plateau", {}, [(0, 1), (9.9, 1)]),
    ("plateau", {"warmup_epochs": 4}, [(1, 0.25), (4, 1)]),
]
REQUIRED: dict[str, dict[str, Any]] = {
    "step": {"step_epochs": 2}, "multistep": {"milestones": (1, 2)}, "exponential": {"gamma": 0.9},
    "inverse": {"gamma": 0.1},
}  # fmt: skip


def make(name: str, options: dict[str, Any]) -> Schedule:
    schedule: Schedule = registry.get("schedules", name)(**options)
    return schedule


@pytest.mark.parametrize(
    ("name", "options", "progress", "factor"),
    [(name, options, *value) for name, options, values in VALUES for value in values],
)
def test_factor(name: str, options: dict[str, Any], progress: float, factor: float) -> None:
    assert make(name, options).factor(progress, 10) == pytest.approx(factor, abs=1e-15)


def test_every_schedule_has_values() -> None:
    assert {name for name, _, _ in VALUES} == set(registry.names("schedules"))


@pytest.mark.parametrize("total", [0, 1, 3, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 3.0, 5.0])
@pytest.mark.parametrize("name", registry.names("schedules"))
def test_factors_stay_between_0_and_1(name: str, warmup: float, total: int) -> None:
    schedule = make(name, REQUIRED.get(name, {}) | {"warmup_epochs": warmup})
    factors = [schedule.factor(i / 7, total) for i in range(30)]
    assert all(0 <= factor <= 1 for factor in factors)
    rising = factors[: math.ceil(7 * warmup)]
    assert rising == pytest.approx([i * rising[-1] / max(1, len(rising) - 1) for i in range(len(rising))])


def test_step_changes_exactly_at_the_epoch() -> None:
    steps, schedule = 469, make("step", {"step_epochs": 1})
    factors = [schedule.factor(step / steps, 3) for step in (steps - 1, steps, 2 * steps - 1, 2 * steps)]
    assert factors == pytest.approx([1, 0.1, 0.1, 0.01])


def rows(*losses: float) -> list[dict[str, float]]:
    """Rows whose training goes on well while the validation does not; its accuracy is the same all the time."""
    return [
        {"train_loss": -i, "train_accuracy": 0.1 * i, "validation_loss": loss, "validation_accuracy": 0.5}
        for i, loss in enumerate(losses)
    ]


@pytest.mark.parametrize(
    ("options", "losses", "factor"),
    [
        ({"patience": 2}, (3, 2, 1), 1),
        ({"patience": 2}, (1, 2), 1),
        ({"patience": 2}, (1, 2, 2), 0.1),
        ({"patience": 2}, (1, 2, 2, 2), 0.1),
        ({"patience": 2}, (1, 2, 2, 2, 2), 0.01),
        ({"patience": 2}, (1, 2, 2, 0.5, 2), 0.1),
        ({"patience": 2}, (1, 2, 2, 0.5, 2, 2), 0.01),
        ({"patience": 1, "min_delta": 0.25}, (1, 0.75, 0.5, 0.25), 0.01),
        ({"patience": 1, "min_factor": 0.05}, (1, 1, 1), 0.05),
        ({"patience": 1, "monitor": "accuracy"}, (3, 2, 1), 0.01),
        ({"patience": 1, "gamma": 0.5}, (1, 1, 1), 0.25),
    ],
)
def test_plateau_follows_from_the_history(options: dict[str, Any], losses: tuple[float, ...], factor: float) -> None:
    history = rows(*losses)
    assert make("plateau", options).factor(len(history), 100, history) == pytest.approx(factor)
    for row in history:  # without validation the training counts
        row["train_loss"], row["train_accuracy"] = row.pop("validation_loss"), row.pop("validation_accuracy")
    assert make("plateau", options).factor(len(history), 100, history) == pytest.approx(factor)
