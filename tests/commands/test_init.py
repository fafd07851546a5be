"""``cnn init``: its config trains as it is, whatever the data are."""

from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn, images, write_idx
from PIL import Image

from cnncli import spec, yamlio

QUICK = ("train.epochs=1", "--threads", "1")


def photographs(folder: Path) -> None:
    """Class folders of JPEG files of uneven sizes: parts of two photographs that scikit-learn ships."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    for name, picture in zip(("temple", "flower"), load_sample_images().images, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(12):
            height, width = rng.integers(50, 140, 2)
            top, left = rng.integers(0, picture.shape[0] - height), rng.integers(0, picture.shape[1] - width)
            Image.fromarray(picture[top : top + height, left : left + width]).save(folder / name / f"{index}.jpg")


@pytest.mark.parametrize("args", [(), ("-o", "mine.yaml")])
def test_idx(cnn: Cnn, args: tuple[str, ...]) -> None:
    made = cnn("init", "data", *args)
    assert made.code == 0
    assert (made.out == "") == bool(args)
    trained = cnn("train", *args[1:], *QUICK)
    assert trained.code == 0
    assert trained.out.startswith("test accuracy")


def test_photographs_of_uneven_sizes(cnn: Cnn, folder: Path) -> None:
    photographs(folder / "photos")
    made = cnn("init", "photos")
    assert "image: {size: [64, 64], channels: 3, fit: crop}" in made.out
    assert cnn("train", *QUICK).code == 0


def test_what_is_printed_is_what_is_written(cnn: Cnn, folder: Path) -> None:
    made = cnn("init", "data")
    assert made.out == (folder / "cnn.yaml").read_text()
    assert made.err == "written to cnn.yaml; next: cnn train\n"
    assert cnn("init", "data", "-o", "-").out == made.out
    assert cnn("init", "data").code == 0, "the same again does no harm"


def test_nothing_is_overwritten(cnn: Cnn, folder: Path) -> None:
    (folder / "cnn.yaml").write_text("mine")
    made = cnn("init", "data")
    assert made.code == 73
    assert made.out.startswith("# Made by")
    assert "cnn.yaml: exists and is left as it is; -o FILE" in made.err
    assert (folder / "cnn.yaml").read_text() == "mine"


def test_paths_start_from_the_config(cnn: Cnn, folder: Path) -> None:
    (folder / "sub").mkdir()
    assert cnn("init", "data", "-o", "sub/a.yaml").code == 0
    assert yamlio.load("sub/a.yaml")[0]["data"]["train"] == "../data"
    assert spec.load("sub/a.yaml").data.train == str(folder / "data")


def test_a_schema_beside_it_is_named_for_editors(cnn: Cnn, folder: Path) -> None:
    assert cnn("schema", "-o", "cnn.schema.json").code == 0
    assert cnn("init", "data").out.startswith("# yaml-language-server: $schema=cnn.schema.json\n")
    assert cnn("train", *QUICK).code == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 9), (65, 66), (8, 300), (300, 200)])
@pytest.mark.parametrize("colour", [False, True])
def test_every_size_gets_a_network(cnn: Cnn, folder: Path, shape: tuple[int, int], colour: bool) -> None:
    labels = np.arange(60) % 3
    pixels = np.zeros((60, *shape) + (3,) * colour, np.uint8)
    np.savez("set.npz", images=pixels, labels=labels)
    assert cnn("init", "set.npz").code == 0
    assert cnn("summary", "cnn.yaml").code == 0


def test_train_without_a_config_says_what_is_missing(cnn: Cnn) -> None:
    done = cnn("train")
    assert done.code == 2
    assert "Missing argument 'CONFIG', and there is no cnn.yaml here; see `cnn init --help`" in done.err


def test_data_that_cannot_be_trained_on(cnn: Cnn, folder: Path) -> None:
    (folder / "one").mkdir()
    pixels, _ = images(6, seed=1)
    write_idx(folder / "one/train-images-idx3-ubyte", pixels)
    write_idx(folder / "one/train-labels-idx1-ubyte", np.zeros(6, np.uint8))
    done = cnn("init", "one")
    assert done.code == 65
    assert "only one class" in done.err
    assert cnn("init", "nowhere").code == 66
    assert not (folder / "cnn.yaml").exists()
