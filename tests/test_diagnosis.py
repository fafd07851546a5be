"""How gradients pass through networks: measured against definitions, and judged."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import load

from cnncli import symptoms
from cnncli.diagnosis import Diagnosis, Snapshot, diagnose
from cnncli.errors import SpecError
from cnncli.health import LayerState
from cnncli.layers.leaky_relu import LeakyRelu
from cnncli.layers.relu import Relu
from cnncli.layers.sigmoid import Sigmoid
from cnncli.layers.softplus import Softplus
from cnncli.layers.tanh import Tanh
from cnncli.slopes import Profile, profile
from cnncli.spec import RunSpec

HEAD = "data: {image: {size: [6, 6], channels: 1}, classes: 3}\ntrain: {batch_size: 50}\nmodel:\n"


def spec(tmp_path: Path, layers: list[str], *overrides: str) -> RunSpec:
    return load(tmp_path, HEAD + "".join(f"  - {layer}\n" for layer in layers), *overrides)


def stack(activation: str, depth: int) -> list[str]:
    return ["linear: {out_features: 24}", activation] * depth + ["linear: {out_features: 3}"]


def kinds(found: Diagnosis) -> set[str]:
    return {problem.kind for problem in symptoms.problems(found)}


def test_ten_sigmoids_vanish(tmp_path: Path) -> None:
    found = diagnose(spec(tmp_path, stack("sigmoid", 10)), threads=1, steps=3)
    assert found.bound == pytest.approx(0.25**10)
    problems = symptoms.problems(found)
    assert [(problem.kind, problem.step) for problem in problems] == [
        ("vanishing gradient", 0),
        ("vanishing gradient", 3),
    ]
    assert problems[0].layer == "linear_1"
    assert "of that at linear_11" in problems[0].text
    assert "10 sigmoid layers passes on at most 0.25" in problems[0].why
    assert "relu instead of sigmoid" in problems[0].advice
    gradients = [layer.output_gradient for layer in found.snapshots[0].layers if layer.type == "linear"]
    assert all(first < second for first, second in pairwise(gradients))  # type: ignore[operator]


def test_on_data_every_layer_has_its_own_gradient(tmp_path: Path) -> None:
    """Not the one of another layer that lies in the same memory."""
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz",
        images=rng.integers(0, 256, (60, 6, 6), dtype=np.uint8),
        labels=np.arange(60) % 3,
    )
    found = diagnose(spec(tmp_path, stack("sigmoid", 5), f"data.train={tmp_path / 'data.npz'}"), threads=1, steps=0)
    gradients = [layer.output_gradient for layer in found.snapshots[0].layers]
    assert None not in gradients
    assert len(set(gradients)) == len(gradients)
    linear = [layer.output_gradient for layer in found.snapshots[0].layers if layer.type == "linear"]
    assert all(first < second for first, second in pairwise(linear))  # type: ignore[operator]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_ten_of_others_do_not(tmp_path: Path, activation: str) -> None:
    found = diagnose(spec(tmp_path, stack(activation, 10)), threads=1, steps=3)
    assert found.bound == pytest.approx(1)
    assert symptoms.problems(found) == []


def test_large_weights_explode(tmp_path: Path) -> None:
    layers = ["linear: {out_features: 24, init: {normal: 2}}", "relu"] * 6 + ["linear: {out_features: 3}"]
    found = diagnose(spec(tmp_path, layers), threads=1, steps=0)
    (problem,) = symptoms.problems(found)
    assert (problem.kind, problem.layer) == ("exploding gradient", "linear_1")
    assert "are too large" in problem.why
    assert len(found.snapshots) == 1


def test_small_weights_vanish_for_another_reason(tmp_path: Path) -> None:
    layers = ["linear: {out_features: 24, init: {normal: 0.01}}", "relu"] * 6 + ["linear: {out_features: 3}"]
    (problem,) = symptoms.problems(diagnose(spec(tmp_path, layers), threads=1, steps=0))
    assert problem.kind == "vanishing gradient"
    assert "weights are too small" in problem.why


def test_saturated_units(tmp_path: Path) -> None:
    layers = ["linear: {out_features: 24, init: {normal: 5}}", "tanh", "linear: {out_features: 3}"]
    found = diagnose(spec(tmp_path, layers), threads=1, steps=0)
    assert "saturated units" in kinds(found)
    assert found.snapshots[0].layers[1].saturated > 0.8  # type: ignore[operator]


def test_divergence_is_told(tmp_path: Path) -> None:
    layers = ["linear: {out_features: 24}", "relu", "linear: {out_features: 3}"]
    found = diagnose(spec(tmp_path, layers, "optimizer.sgd.lr=1e30"), threads=1, steps=9)
    assert len(found.snapshots) == 1
    problem = symptoms.problems(found)[-1]
    assert (problem.kind, problem.step) == ("diverged", found.steps)
    assert 0 < found.steps < 9
    assert "lower the learning rate" in problem.advice


def test_numbers(tmp_path: Path) -> None:
    """Of one linear layer, by hand."""
    options: Any = ("train.batch_size=256", "optimizer.sgd.lr=0.1")
    found = diagnose(spec(tmp_path, ["linear: {out_features: 3}"], *options), threads=1, steps=1)
    (start,), (end,) = (snapshot.layers for snapshot in found.snapshots)
    assert found.images == 256
    assert start.update is None
    assert start.slope is None
    # softmax's gradient of an image is p - onehot, whose norm lies between 0 and sqrt 2
    assert 0 < start.output_gradient < np.sqrt(2)  # type: ignore[operator]
    # the step is lr times the gradient of its own batch, which is of the same kind as the batch that was looked at
    norm = start.weight * np.sqrt(np.pi / 2) * np.sqrt(3 * 36)  # type: ignore[operator]  # of a normal distribution
    assert end.update == pytest.approx(0.1 * start.weight_gradient / norm, rel=0.5)  # type: ignore[operator]
    assert found.snapshots[1].loss != found.snapshots[0].loss


def test_looking_does_not_change_what_is_trained(tmp_path: Path) -> None:
    layers = ["conv2d: {out_channels: 3, kernel_size: 3}", "relu", "linear: {out_features: 3}"]
    ends = [diagnose(spec(tmp_path, layers), threads=threads, steps=4).snapshots[-1] for threads in (1, 1, 2)]
    assert ends[0] == ends[1] == ends[2]


def test_slopes_do_not_disturb_gradients(tmp_path: Path) -> None:
    """A residual block, in place and not: the gradient of the first layer's weights is that of an ordinary step."""
    layers = [
        "{conv2d: {out_channels: 3, kernel_size: 3, padding: 1}, name: a}", "relu", "batch_norm2d",
        "{conv2d: {out_channels: 3, kernel_size: 3, padding: 1}, name: b}", "{add: {}, inputs: [a, b]}", "tanh",
        "linear: {out_features: 3}",
    ]  # fmt: skip
    options = ("train.batch_size=1024", "optimizer.sgd.lr=1e-6")
    found = diagnose(spec(tmp_path, layers, *options), threads=1, steps=1)
    start = {layer.name: layer for layer in found.snapshots[0].layers}
    end = {layer.name: layer for layer in found.snapshots[1].layers}
    for name in ("a", "b", "linear_1"):  # the whole set is one batch, so its step is known exactly
        step = 1e-6 * start[name].weight_gradient / end[name].update  # type: ignore[operator]
        size = {"a": 27, "b": 81, "linear_1": 324}[name]
        assert step == pytest.approx(start[name].weight * np.sqrt(np.pi / 2 * size), rel=0.3)  # type: ignore[operator]


def test_profiles() -> None:
    assert profile(Sigmoid()) == Profile(pytest.approx(0.25), flattens=True, cuts_off=False)
    assert profile(Tanh(A=1.7159, S=0.6666667)) == Profile(pytest.approx(1.1439333), True, False)
    assert profile(Relu()) == Profile(1.0, False, True)
    assert profile(LeakyRelu()) == Profile(1.0, False, False)
    assert profile(Softplus(k=2.0, trained=True)) == Profile(pytest.approx(1), False, False)


def state(name: str, **values: float) -> LayerState:
    return LayerState(name, "relu", **values)


def test_limits_of_problems() -> None:
    def seen(*layers: LayerState) -> list[str]:
        profiles = {layer.name: Profile(1.0, True, True) for layer in layers}
        found = Diagnosis(256, 1.0, profiles, [Snapshot(7, 1.0, list(layers))], 7, "")
        return [problem.kind for problem in symptoms.problems(found)]

    assert seen(state("a", dead=0.59, saturated=0.49, update=0.3)) == []
    assert seen(state("a", dead=0.6), state("b", saturated=0.6), state("c", update=0.31)) == [
        "dead units", "saturated units", "large steps",
    ]  # fmt: skip
    pair = [state("a", weight=1.0, output_gradient=1.0), state("b", weight=1.0, output_gradient=1.0)]
    assert seen(*pair) == []
    for first, kind in (
        (9e-4, "vanishing gradient"),
        (1.1e3, "exploding gradient"),
        (float("nan"), "exploding gradient"),
    ):
        assert seen(state("a", weight=1.0, output_gradient=first), pair[1]) == [kind]


def test_without_data_the_config_must_say_what_images_there_would_be(tmp_path: Path) -> None:
    config = load(tmp_path, "model: [{linear: {out_features: 2}}]\n")
    with pytest.raises(SpecError, match="names no data, so it must say what images there would be"):
        diagnose(config, threads=1, steps=1)
