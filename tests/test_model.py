"""A trained network from its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tasks
from PIL import Image

import cnncli
from cnncli import checkpoint
from cnncli.checkpoint import Checkpoint
from cnncli.errors import CheckpointError, DataError, MissingError
from cnncli.evaluation import predict
from cnncli.experiment import Experiment
from cnncli.model import Model, stack
from cnncli.spec import from_resolved


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A short run, done."""
    train = tasks.images(300)
    path = tmp_path_factory.mktemp("data") / "task.npz"
    np.savez(path, train_images=train.images, train_labels=train.labels)
    config = {
        "data": {"train": str(path), "classes": ["a", "b", "c", "d"]},
        "model": tasks.MODEL,
        "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}},
        "train": {"epochs": 4, "batch_size": 50},
    }
    run = Experiment(from_resolved(config), threads=1)
    list(run.trainer.fit())
    return run


@pytest.fixture(scope="module")
def saved(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "best.npz"
    checkpoint.save(path, experiment.arrays(), experiment.meta())
    return path


@pytest.fixture(scope="module")
def model(saved: Path) -> Model:
    return Model.load(saved, threads=1)


def changed(saved: Path, arrays: dict[str, Any] | None = None, meta: dict[str, Any] | None = None) -> Checkpoint:
    """The checkpoint with other contents; None leaves a tensor out."""
    stored = checkpoint.load(saved)
    kept = {name: array for name, array in (stored.arrays | (arrays or {})).items() if array is not None}
    return Checkpoint(path=stored.path, arrays=kept, meta=stored.meta | (meta or {}))


def test_it_is_the_network_that_was_trained(experiment: Experiment, model: Model) -> None:
    data = tasks.images(100, seed=5)
    wanted, _ = predict(experiment.network, experiment.preprocessing, data.images)
    np.testing.assert_allclose(model.scores(data.images), wanted, rtol=3e-5)  # batch normalisation is folded in
    assert model.classes == ("a", "b", "c", "d")
    assert model.probabilities
    assert model.preprocessing == experiment.preprocessing
    assert model.meta["progress"]["epoch"] == 4


def test_answers(model: Model) -> None:
    data = tasks.images(40, seed=6)
    answers = model.predict(data.images)
    right = [answer.label == "abcd"[label] for answer, label in zip(answers, data.labels, strict=True)]
    assert np.mean(right) > 0.9
    for answer in answers:
        assert answer.probability == answer.scores.max()
        assert answer.label == "abcd"[int(answer.scores.argmax())]


def test_the_number_of_images_changes_nothing(model: Model) -> None:
    data = tasks.images(70, seed=7).images
    together = model.scores(data)
    for count in (1, 3, 9, 65):
        np.testing.assert_array_equal(model.scores(data[:count]), together[:count])
    assert model.scores(data[:0]).shape == (0, 4)
    assert model.predict(data[:0]) == []


def test_every_kind_of_input(model: Model, tmp_path: Path) -> None:
    images = tasks.images(9, seed=8).images
    wanted = model.scores(images)
    paths = [tmp_path / f"{i}.png" for i in range(9)]
    for path, image in zip(paths, images[..., 0], strict=True):
        Image.fromarray(image).save(path)
    kinds: list[Any] = [
        images[..., 0],
        (images / 255).astype(np.float32),
        images / 255,
        images.astype(np.uint16) * np.uint16(257),
        np.repeat(images, 3, axis=3),
        paths,
        [str(path) for path in paths],
        [path.read_bytes() for path in paths],
        np.repeat(np.repeat(images, 2, axis=1), 2, axis=2),
    ]
    for kind in kinds:
        np.testing.assert_allclose([answer.scores for answer in model.predict(kind)], wanted, atol=0.02)
    np.testing.assert_array_equal(model.decode(paths), images)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8)), "shape"),
        (np.zeros((1, 8, 8, 1, 1)), "shape"),
        (np.full((1, 8, 8), 1.5), "0..1"),
        (np.full((1, 8, 8), np.nan), "0..1"),
        (np.zeros((1, 8, 8), np.int64), "uint8, uint16 or floats"),
    ],
)
def test_images_it_does_not_take(model: Model, images: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        model.predict(images)


def test_stack_of_two_depths() -> None:
    small, large = np.full((2, 2, 1), 255, np.uint8), np.full((2, 2, 1), 1000, np.uint16)
    assert stack([small, small]).dtype == np.uint8
    both = stack([small, large])
    assert both.dtype == np.uint16
    assert both[:, 0, 0, 0].tolist() == [65535, 1000]


def test_load_from_python(saved: Path, model: Model) -> None:
    data = tasks.images(5).images
    loaded = cnncli.load(saved, threads=2)
    assert isinstance(loaded, Model)
    np.testing.assert_array_equal(loaded.scores(data), model.scores(data))
    with pytest.raises(MissingError):
        cnncli.load(saved.with_name("none.npz"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"linear_1.weight": None}, "belongs to another network: it has no linear_1.weight"),
        (
            {"linear_1.weight": np.zeros((2, 3), np.float32)},
            r"linear_1.weight is \[2, 3\], this network's is \[16, 96\]",
        ),
        ({"batch_norm2d_1.running_var": None}, "it has no batch_norm2d_1.running_var"),
    ],
)
def test_tensors_of_another_network(saved: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Model(changed(saved, arrays)).scores(tasks.images(1).images)


@pytest.mark.parametrize("key", ["config", "classes", "preprocessing"])
def test_meta_that_is_no_networks(saved: Path, key: str) -> None:
    for value in (None, 3, {"size": 3}):
        with pytest.raises(CheckpointError):
            Model(changed(saved, meta={key: value}))


def test_a_layer_that_this_version_lacks(saved: Path) -> None:
    config = checkpoint.load(saved).meta["config"]
    config["model"][0] = {"hologram": {}}
    with pytest.raises(CheckpointError, match="written by another version of cnncli"):
        Model(changed(saved, meta={"config": config}))
