"""The health of layers: numbers by their definitions, and what is said of them in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from specs import load

from cnncli.experiment import Experiment
from cnncli.health import Health, LayerState, look, pace
from cnncli.spec import RunSpec
from cnncli.symptoms import unhealthy
from cnncli.training import EpochReport, StepReport, Trainer

IMAGES = 60
HEAD = "train: {batch_size: 25, epochs: 2}\noptimizer: {sgd: {lr: 0.1}}\nmodel:\n"
LAYERS = ("conv2d: {out_channels: 4, kernel_size: 3}", "relu", "linear: {out_features: 8}", "tanh")


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """Grey images of 6x6 pixels, in a file beside the configs."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.arange(IMAGES) % 3)
    return pixels


def spec(tmp_path: Path, *overrides: str) -> RunSpec:
    layers = "".join(f"  - {layer}\n" for layer in (*LAYERS, "linear: {out_features: 3}"))
    return load(tmp_path, HEAD + layers, f"data.train={tmp_path / 'data.npz'}", "data.normalize=none", *overrides)


def trained(tmp_path: Path, *overrides: str) -> tuple[Trainer, Health]:
    """A trainer after its first epoch, and what that epoch's report says."""
    trainer = Experiment(spec(tmp_path, *overrides), 1).trainer
    return trainer, next(report.health for report in trainer.fit() if isinstance(report, EpochReport))


def test_units_by_numpy(tmp_path: Path, images: np.ndarray) -> None:
    """Dead and saturated shares of the trained network, from its weights and the definition."""
    trainer, health = trained(tmp_path, "model.1.relu=null", "optimizer.sgd.lr=0.5")
    p = trainer.network.arrays()
    x = images / np.float64(255)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    maps = np.einsum("nyxij,oij->noyx", windows, p["conv2d_1.weight"][:, 0]) + p["conv2d_1.bias"][:, None, None]
    hidden = np.maximum(maps, 0).reshape(IMAGES, -1) @ p["linear_1.weight"].T + p["linear_1.bias"]
    state = {layer.name: layer for layer in health.layers}
    assert health.images == IMAGES
    assert state["relu_1"].dead == np.mean([(maps[:, o] <= 0).all() for o in range(4)])
    assert state["relu_1"].saturated is None
    assert state["tanh_1"].saturated == pytest.approx(np.mean(1 - np.tanh(hidden) ** 2 < 0.05), abs=2 / hidden.size)
    assert state["tanh_1"].dead is None


def test_a_dead_map_is_counted(tmp_path: Path, images: np.ndarray) -> None:
    trainer = Experiment(spec(tmp_path), 1).trainer
    trainer.network.param["conv2d_1.bias"][...] = np.array([-1e3, 1e3, 1e3, -1e3])
    before = {name: array.copy() for name, array in trainer.network.arrays().items()}
    health = look(trainer.network, trainer.preprocessing, trainer.train, {})
    assert health.layers[1] == LayerState("relu_1", "relu", slope=health.layers[1].slope, dead=0.5)
    assert health.layers[1].slope == pytest.approx(np.sqrt(0.5))
    assert all(np.array_equal(array, before[name]) for name, array in trainer.network.arrays().items())


def test_the_last_step_of_an_epoch(tmp_path: Path, images: np.ndarray) -> None:
    """Plain gradient descent moves the weights by the learning rate times the gradient."""
    trainer = Experiment(spec(tmp_path), 1).trainer
    steps = trainer.fit()
    while trainer.progress.batch < trainer.steps - 1:
        assert isinstance(next(steps), StepReport)
    old = {name: array.astype(np.float64) for name, array in trainer.network.arrays().items()}
    next(steps)
    last = trainer.network.arrays()
    report = next(steps)
    assert isinstance(report, EpochReport)
    for layer in report.health.layers:
        if layer.update is not None and layer.weight_gradient is not None:
            before, after = old[f"{layer.name}.weight"], last[f"{layer.name}.weight"]
            change = np.linalg.norm(after - before)
            assert layer.update == pytest.approx(change / np.linalg.norm(before), rel=1e-4)
            assert 0.1 * layer.weight_gradient == pytest.approx(change, rel=1e-3)
    assert [layer.name for layer in report.health.layers if layer.update] == ["conv2d_1", "linear_1", "linear_2"]
    assert trainer.progress.last_step == {}


def test_weights_that_are_zero_have_no_relative_change(tmp_path: Path, images: np.ndarray) -> None:
    network = Experiment(spec(tmp_path), 1).network
    before = np.zeros_like(network.theta)
    assert pace(network, before, network.grad)["linear_2"][1] == pytest.approx(
        float(np.linalg.norm(network.param["linear_2.weight"])), rel=1e-5
    )


def test_numbers_for_logs_are_short() -> None:
    states = [
        LayerState("a", "conv2d", weight=1.0, weight_gradient=0.123456, update=1.23456e-7),
        LayerState("b", "tanh", slope=0.5, saturated=0.0),
        LayerState("c", "max_pool2d"),
    ]
    assert Health(5, states).to_dict() == {"a": {"gradient": 0.1235, "update": 1.235e-7}, "b": {"saturated": 0.0}}


def test_a_good_run_has_no_warnings(tmp_path: Path, images: np.ndarray) -> None:
    _, health = trained(tmp_path)
    assert not list(unhealthy(health.layers, health.images, 3))
