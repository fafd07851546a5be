"""Configs there and back; bad values of the sections; what is frozen by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from specs import BRANCHED, GOOD, load

from cnncli import spec, yamlio
from cnncli.describe import describe, invalid_examples
from cnncli.errors import SpecError
from cnncli.fields import from_mapping
from cnncli.sections import Clip, EarlyStopping, Group
from cnncli.spec import DataSpec, Image, Interval, Normalize, TrainSpec
from cnncli.wiring import Training

# --- there and back

ROUND_TRIPS = [
    GOOD,
    BRANCHED,
    GOOD.replace("normalize: auto", "normalize: {mean: [0.1], std: 0.3}\n  test: '1e3'"),
    GOOD.replace("classes: 10", "classes: ['0', 'on', 'null', '1e3', ' ', é, '~', =, a, b]\n  test: null"),
    GOOD.replace("{cosine: {warmup_epochs: 1}}", "{step: {step_epochs: 3, gamma: 0.30000000000000004}}"),
    GOOD.replace("{sgd: {lr: 0.05, momentum: 0.9,", "{adam: {lr: 1e-5, betas: [0.85, 0.9999], eps: 1e-30,"),
    GOOD.replace(
        "  classes: 10", "  classes: 10\n  augment: [{shift: 2}, flip, {rotate: {degrees: 10}}]\n  fill: edge"
    ),
    GOOD.replace("    name: c3", "    name: c3\n    frozen: true\n    lr_factor: 0.1\n    decay_factor: 0").replace(
        "epochs: 12",
        "accumulate: 4, clip: {norm: 2}, ema: 0.99, early_stopping: {patience: 3}, freeze: [conv*], "
        "groups: [{match: linear_*, lr_factor: 2}, {match: '*.bias', decay_factor: 1}]",
    ),
    GOOD.replace("1 epoch", "7 minutes").replace("normalize: auto", "normalize: none"),
    "model: [{conv2d: {out_channels: 3, kernel_size: [1, 3], init: {normal: 0.01}, bias: false}}, relu]",
    "model: [{relu: , name: a, inputs: input}, {relu: , inputs: a}, {concat: , inputs: [relu_2, a, input]}]",
]


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_the_resolved_config_gives_an_equal_spec(tmp_path: Path, text: str) -> None:
    run = load(tmp_path, text)
    mapping = spec.resolved(run)
    assert spec.from_resolved(mapping) == run
    again = load(tmp_path, yamlio.dump(mapping))
    assert again == run
    assert spec.resolved(again) == mapping
    assert {"epochs", "batch_size", "seed", "save_every"} <= set(mapping["train"])


def test_a_resolved_config_that_is_wrong_says_what_holds_it() -> None:
    mapping: dict[str, Any] = {"model": [{"linear": {"out_features": 0}, "name": "fc"}]}
    with pytest.raises(SpecError, match=r"^last.npz: model.fc.out_features: must be at least 1, found 0$"):
        spec.from_resolved(mapping, "last.npz")


# --- sections


def test_layers_are_frozen_by_name(tmp_path: Path) -> None:
    run = load(tmp_path, GOOD.replace("epochs: 12", "freeze: [conv2d_*, linear_2]"))
    assert [node.name for node in run.model if node.frozen] == ["conv2d_1", "linear_2"]


@pytest.mark.parametrize("cls", [DataSpec, Image, Normalize, TrainSpec, Group, Clip, EarlyStopping, Training])
def test_invalid_examples_of_the_sections_are_refused(cls: type) -> None:
    examples: dict[type, dict[str, Any]] = {
        Image: {"size": 8, "channels": 1}, Normalize: {"mean": 0, "std": 1}, Group: {"match": "a"},
        EarlyStopping: {"patience": 1},
    }  # fmt: skip
    required = examples.get(cls, {})
    for name, value in invalid_examples(cls):
        found: list[Any] = []
        assert from_mapping(cls, {**required, name: value}, (), found) is None
        assert {problem.path[0] for problem in found} == {name}
    assert all(row.doc for row in describe(cls))


@pytest.mark.parametrize("text", ["1 epoch", "500 steps", "10 minutes"])
def test_intervals_are_written_as_they_are_read(text: str) -> None:
    assert str(Interval.parse(text)) == text
    assert Interval.parse("1 epochs") == Interval(1, "epoch")
