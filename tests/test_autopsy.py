"""Where numbers end: the first layer, the images, and the state that is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from specs import load

from cnncli import autopsy, checkpoint
from cnncli.autopsy import Cause
from cnncli.errors import Diverged
from cnncli.experiment import Experiment
from cnncli.model import Model
from cnncli.runs import RunFolder
from cnncli.session import Session
from cnncli.spec import RunSpec
from cnncli.training import StepReport

CONFIG = """
model:
  - conv2d: {out_channels: 4, kernel_size: 3}
  - relu
  - {conv2d: {out_channels: 4, kernel_size: 3}, name: middle}
  - tanh
  - linear: {out_features: 3}
train: {batch_size: 20, epochs: 3}
"""


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.arange(60) % 3)
    return load(tmp_path, CONFIG, f"data.train={tmp_path / 'data.npz'}")


def test_the_first_layer_and_its_images(spec: RunSpec) -> None:
    trainer = Experiment(spec, 1).trainer
    network, steps = trainer.network, trainer.fit()
    next(steps)
    assert autopsy.of_outputs(network).where == "the loss"
    maps = network.buffers("middle").y
    maps[0, 2, 1, 1, 5] = np.inf
    maps[0, 0, 0, 0, 9] = np.nan
    maps[0, 0, 0, 0, 25] = np.nan  # no image stands there
    found = autopsy.of_outputs(network)
    assert (found.where, found.places.tolist()) == ("the output of middle", [5, 9])
    network.x[0, 0, 0, 0, 3] = np.nan
    assert autopsy.of_outputs(network) == Cause("the images", pytest.approx(np.array([3])))


@pytest.mark.parametrize("tensor", ["conv2d_1.weight", "middle.bias", "linear_1.weight"])
def test_the_gradient_nearest_to_the_loss(spec: RunSpec, tensor: str) -> None:
    network = Experiment(spec, 1).network
    gradient = np.zeros_like(network.grad)
    views = network.segments.views(gradient)
    views["conv2d_1.bias"][0] = np.nan
    views[tensor].flat[-1] = -np.inf
    wanted = tensor if tensor != "conv2d_1.weight" else "conv2d_1.bias"
    assert autopsy.of_gradients(network, gradient).where == f"the gradient of {wanted}"


def test_texts() -> None:
    names = [f"{i}.png" for i in range(9)]
    text = "the output of a is the first that is no number any more"
    assert Cause("the output of a", np.empty(0)).text(names) == text
    assert Cause("the output of a", np.array([2, 4])).text(names) == f"{text}, for 2 of 9 images: 2.png, 4.png"
    many = Cause("the output of a", np.arange(6)).text(names)
    assert many == f"{text}, for 6 of 9 images: 0.png, 1.png, 2.png, 3.png, 4.png, ..."
    assert Cause("the output of a", np.arange(9)).text(names) == f"{text}, for all 9 images of the batch"


@pytest.mark.parametrize("place", ["loss", "gradient"])
def test_nothing_is_updated_and_the_state_is_kept(
    spec: RunSpec, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = Experiment(spec, 1)
    network = experiment.network
    run = RunFolder.claim("x", tmp_path / "run")
    session = Session(experiment, run, None, lambda: None, lambda text: None)
    reports = session.reports()
    for _ in range(4):
        assert next(reports)
    before = {name: array.copy() for name, array in experiment.arrays().items()}
    if place == "loss":
        forward = network.forward

        def broken(*args: object, **options: object) -> None:
            forward(*args, **options)  # type: ignore[arg-type]
            network.buffers("middle").y[0, 0, 0, 0, 7] = np.nan
            network.loss.losses[7] = np.nan

        monkeypatch.setattr(network, "forward", broken)
    else:
        backward = network.backward

        def broken_back() -> None:
            backward()
            network.param_grad["middle.weight"].flat[3] = np.inf

        monkeypatch.setattr(network, "backward", broken_back)
    with pytest.raises(Diverged) as error:
        next(reports)
    text = str(error.value)
    assert "in epoch 2, step 4: training diverged; " in text
    if place == "loss":
        assert "the output of middle is the first that is no number any more, for 1 of 20 images: " in text
        assert "data.npz" in text
    else:
        assert "the gradient of middle.weight is the first" in text
    assert text.endswith(f"{run.path} keeps last.npz, best.npz and diverged.npz")
    kept = checkpoint.load(run.path / "diverged.npz")
    for name, array in before.items():
        np.testing.assert_array_equal(kept.arrays[name], array)
    assert kept.meta["diverged"] == text.partition("; " + str(run.path))[0]
    assert np.isfinite(Model.load(run.path / "diverged.npz").scores(np.zeros((1, 8, 8, 1), np.uint8))).all()
    run.close()


def test_good_numbers_pass(spec: RunSpec) -> None:
    assert sum(isinstance(report, StepReport) for report in Experiment(spec, 1).trainer.fit()) == 9
