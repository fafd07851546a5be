"""Factors of the learning rate at chosen moments, worked out by hand."""

from __future__ import annotations

import pytest

from cnncli.describe import describe, invalid_examples
from cnncli.fields import Problem, from_mapping
from cnncli.schedules import SCHEDULES, Constant, Cosine, Schedule, Step


@pytest.mark.parametrize(
    ("schedule", "progress", "total", "factor"),
    [
        (Constant(), 0.0, 10, 1.0),
        (Constant(), 9.9, 10, 1.0),
        (Step(step_epochs=3), 2.999, 10, 1.0),
        (Step(step_epochs=3), 3.0, 10, 0.1),
        (Step(step_epochs=3, gamma=0.5), 9.5, 10, 0.125),
        (Cosine(), 0.0, 10, 1.0),
        (Cosine(), 5.0, 10, 0.5),
        (Cosine(), 2.5, 10, 0.8535533905932737),
        (Cosine(), 10.0, 10, 0.0),
        (Cosine(), 12.0, 10, 0.0),
        (Cosine(min_factor=0.2), 5.0, 10, 0.6),
        (Cosine(min_factor=0.2), 10.0, 10, 0.2),
        (Cosine(warmup_epochs=2), 0.0, 10, 0.0),
        (Cosine(warmup_epochs=2), 0.5, 10, 0.25),
        (Cosine(warmup_epochs=2), 2.0, 10, 1.0),
        (Cosine(warmup_epochs=2), 6.0, 10, 0.5),
        (Cosine(warmup_epochs=4), 3.0, 2, 0.75),
        (Cosine(warmup_epochs=2), 2.0, 2, 0.0),
        (Cosine(), 0.0, 0, 0.0),
    ],
)
def test_factor(schedule: Schedule, progress: float, total: int, factor: float) -> None:
    assert schedule.factor(progress, total) == pytest.approx(factor, abs=1e-15)


def test_step_changes_exactly_at_the_epoch() -> None:
    steps = 469
    factors = [Step(step_epochs=1).factor(step / steps, 3) for step in (steps - 1, steps, 2 * steps - 1, 2 * steps)]
    assert factors == pytest.approx([1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_stays_between_0_and_1_and_refuses_bad_options(name: str) -> None:
    cls = SCHEDULES[name]
    assert cls.__name__.lower() == name
    required = {"step_epochs": 2} if name == "step" else {}
    problems: list[Problem] = []
    schedule = from_mapping(cls, required, (), problems)
    assert schedule is not None
    assert all(0 <= schedule.factor(i / 7, 4) <= 1 for i in range(30))
    for option, value in invalid_examples(cls):
        assert from_mapping(cls, {**required, option: value}, (), problems) is None
    assert all(row.doc for row in describe(cls))
