"""``cnn train --from``: what is taken over or drawn anew, what does not fit, and that resuming needs no source."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cnn, images

from cnncli.checkpoint import load

LAYERS = {"conv2d_1.weight", "conv2d_1.bias", "linear_1.weight", "linear_1.bias"} | {
    f"batch_norm2d_1.{key}" for key in ("weight", "bias", "running_mean", "running_var")
}
HEAD = {"linear_1.weight", "linear_1.bias"}
STILL = ("train.epochs=0",)  # only the start is written


def tensors(run: str) -> dict[str, np.ndarray]:
    return load(Path(run, "last.npz")).arrays


def origin(run: str) -> dict[str, Any]:
    found: dict[str, Any] = load(Path(run, "last.npz")).meta["from"]
    return found


def equal(one: str, other: str) -> set[str]:
    """Names of tensors that are the same in two runs."""
    left, right = tensors(one), tensors(other)
    return {name for name in LAYERS if np.array_equal(left[name], right[name])}


@pytest.fixture
def trained(cnn: Cnn) -> str:
    assert cnn("train", "tiny.yaml", "train.epochs=1", "--run", "first").code == 0
    return "first"


@pytest.fixture
def two_classes(folder: Path) -> str:
    """Other data, brighter and of two classes."""
    pixels, labels = images(40, seed=8)
    np.savez(folder / "two.npz", images=np.maximum(pixels, 60), labels=labels % 2)
    return "data.train=two.npz"


def test_everything_fits(cnn: Cnn, trained: str) -> None:
    done = cnn("train", "tiny.yaml", *STILL, "--from", trained, "--run", "second")
    assert done.code == 0
    assert equal("second", trained) == LAYERS
    lines = done.err.splitlines()[1:]
    assert lines[0].split() == ["tensor", "here", "there"]
    assert lines[1].split() == ["conv2d_1.weight", "matched", "4x1x3x3", "4x1x3x3"]
    assert lines[9] == "from first/best.npz: 8 matched, 0 fresh, 0 skipped; pixels are normalised as there"
    assert lines[9] in Path("second/log.txt").read_text()
    assert set(origin("second")["matched"]) == LAYERS
    assert origin("second")["checkpoint"] == str(Path("first/best.npz").absolute())


def test_other_classes_start_the_last_layer_anew(cnn: Cnn, trained: str, two_classes: str) -> None:
    change = (two_classes, "model.linear_1.out_features=2", *STILL)
    done = cnn("train", "tiny.yaml", *change, "--from", "first", "--run", "second")
    assert done.code == 0
    (row,) = (line for line in done.err.splitlines() if line.startswith("linear_1.weight"))
    assert row.split("  fresh: ")[1].split() == ["2", "classes,", "not", "3", "2x48", "3x48"]
    assert equal("second", trained) == LAYERS - HEAD
    assert cnn("train", "tiny.yaml", *change, "--run", "alone").code == 0
    assert equal("second", "alone") >= HEAD  # as without --from
    assert origin("second")["fresh"] == ["linear_1.weight", "linear_1.bias"]


def test_other_names_of_as_many_classes_too(cnn: Cnn, trained: str) -> None:
    done = cnn("train", "tiny.yaml", *STILL, "--from", trained, "--run", "second", "data.classes=[ape, bee, cat]")
    assert "fresh: other classes" in done.err
    assert equal("second", trained) == LAYERS - HEAD


def test_pixels_are_normalised_as_the_layers_know_them(cnn: Cnn, trained: str, two_classes: str) -> None:
    change = (two_classes, "model.linear_1.out_features=2", *STILL)
    assert cnn("train", "tiny.yaml", *change, "--from", trained, "--run", "second").code == 0
    assert cnn("train", "tiny.yaml", *change, "--run", "alone").code == 0
    first, second, alone = (load(Path(run, "last.npz")).meta["preprocessing"] for run in ("first", "second", "alone"))
    assert second == first != alone
    done = cnn("train", "tiny.yaml", *change, "--from", trained, "--run", "own", "data.normalize=none")
    assert "warning: the config normalises pixels in another way than first/best.npz" in done.err
    assert load(Path("own/last.npz")).meta["preprocessing"]["mean"] == [0.0]


def test_what_does_not_fit_is_an_error_with_all_of_it(cnn: Cnn, trained: str) -> None:
    change = ("model.conv2d_1.out_channels=5",)
    done = cnn("train", "tiny.yaml", *change, "--from", trained, "--run", "second")
    assert done.code == 65
    assert done.err.splitlines() == [
        "error: first/best.npz does not fit this network:",
        *(f"error:   {name}: {here} here, {there} there" for name, here, there in [
            ("conv2d_1.weight", "5x1x3x3", "4x1x3x3"), ("conv2d_1.bias", "5", "4"),
            ("batch_norm2d_1.weight", "5", "4"), ("batch_norm2d_1.bias", "5", "4"),
            ("linear_1.weight", "3x60", "3x48"), ("batch_norm2d_1.running_mean", "5", "4"),
            ("batch_norm2d_1.running_var", "5", "4"),
        ]),
        "error: --fresh conv2d_1 --fresh batch_norm2d_1 --fresh linear_1 draws these anew; "
        "--partial takes over whatever fits and draws the rest anew",
    ]  # fmt: skip
    assert not Path("second").exists()
    done = cnn("train", "tiny.yaml", *change, *STILL, "--from", trained, "--run", "second", "--partial")
    assert done.code == 0
    assert origin("second")["matched"] == ["linear_1.bias"]


def test_layers_that_only_one_of_them_has(cnn: Cnn, trained: str) -> None:
    change = "model.batch_norm2d_1.name=other"
    done = cnn("train", "tiny.yaml", change, "--from", trained, "--run", "second")
    assert done.code == 65
    assert "  other.weight: 4 here, none there\n" in done.err
    assert "  batch_norm2d_1.weight: none here, 4 there\n" in done.err
    assert done.err.splitlines()[-1] == "error: --partial takes over whatever fits and draws the rest anew"
    assert cnn("train", "tiny.yaml", change, *STILL, "--from", trained, "--run", "second", "--partial").code == 0
    assert len(origin("second")["skipped"]) == len(origin("second")["fresh"]) == 4


def test_fresh_layers(cnn: Cnn, trained: str) -> None:
    done = cnn("train", "tiny.yaml", *STILL, "--from", trained, "--run", "second", "--fresh", "lin*")
    assert "fresh: as --fresh says" in done.err
    assert equal("second", trained) == LAYERS - HEAD
    done = cnn("train", "tiny.yaml", "--from", trained, "--fresh", "conv2d_7")
    assert done.code == 2
    assert done.err == ("error: --fresh conv2d_7: no layer with parameters is called so; did you mean 'conv2d_1'?\n")


@pytest.mark.parametrize("option", [("--fresh", "conv2d_1"), ("--partial",)])
def test_options_without_a_source(cnn: Cnn, option: tuple[str, ...]) -> None:
    done = cnn("train", "tiny.yaml", *option)
    assert done.code == 2
    assert f"{option[0]} needs --from CHECKPOINT" in done.err


def test_no_such_source(cnn: Cnn) -> None:
    assert cnn("train", "tiny.yaml", "--from", "nothing").code == 66
    assert cnn("train", "tiny.yaml", "--from", "tiny.yaml").code == 65
    assert not Path("runs").exists()


def test_resuming_gives_the_same_bytes_without_the_source(cnn: Cnn, trained: str, two_classes: str) -> None:
    line = ("train", "tiny.yaml", two_classes, "model.linear_1.out_features=2", "--from", trained, "--resume")
    assert cnn(*line, "train.epochs=3", "--run", "whole").code == 0
    assert cnn(*line, "train.epochs=2", "--run", "parts").code == 0
    shutil.rmtree(trained)
    done = cnn(*line, "train.epochs=3", "--run", "parts")
    assert done.code == 0
    assert "going on in epoch 3" in done.err
    for name in ("last.npz", "results.csv", "config.yaml"):
        assert Path("whole", name).read_bytes() == Path("parts", name).read_bytes()
