"""``cnn compare``: two runs on the same images."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn
from PIL import Image

from cnncli.significance import mcnemar


@pytest.fixture
def pair(cnn: Cnn, folder: Path) -> tuple[str, str]:
    """Two runs that differ."""
    assert cnn("train", "tiny.yaml", "--run", "a", "train.epochs=1").code == 0
    wider = ("model.conv2d_1.out_channels=8", "optimizer={adam: {lr: 0.01}}")
    assert cnn("train", "tiny.yaml", "--run", "b", *wider).code == 0
    return "a", "b"


def right(cnn: Cnn, run: str) -> np.ndarray:
    assert cnn("eval", run, "--predictions", "p.csv").code == 0
    rows = csv.DictReader(Path("p.csv").read_text().splitlines())
    return np.array([row["label"] == row["predicted"] for row in rows])


def test_json(cnn: Cnn, pair: tuple[str, str]) -> None:
    done = cnn("compare", *pair, "--json")
    assert done.code == 0
    values = json.loads(done.out)
    first, second = (right(cnn, run) for run in pair)
    assert (values["a"], values["b"], values["images"]) == ("a/best.npz", "b/best.npz", 21)
    assert (values["accuracy_a"], values["accuracy_b"]) == (first.mean(), second.mean())
    assert (values["only_a"], values["only_b"]) == ((first & ~second).sum(), (second & ~first).sum())
    assert values["p_value"] == mcnemar(first, second)
    assert values["difference_low"] < values["difference"] < values["difference_high"]
    assert {change["key"]: (change["before"], change["now"]) for change in values["changes"]} == {
        "model.conv2d_1.out_channels": (4, 8),
        "optimizer": ("sgd", "adam"),
        "train.epochs": (1, 4),
    }


def test_text_and_picture(cnn: Cnn, pair: tuple[str, str]) -> None:
    done = cnn("compare", *pair, "-o", "curves.png")
    assert (done.code, done.err) == (0, "written to curves.png\n")
    lines = done.out.splitlines()
    assert lines[0].startswith("21 images of ")
    assert "McNemar's exact test: p = " in done.out
    assert lines[-1].split() == ["train.epochs", "1", "4"]
    picture = np.asarray(Image.open("curves.png").convert("RGB"))
    for colour in ((0, 114, 178), (213, 94, 0)):
        assert (picture == colour).all(axis=2).any()
    assert "the configs are the same" in cnn("compare", "a", "a/best.npz").out


def test_what_cannot_be_compared(cnn: Cnn, pair: tuple[str, str], digits: Path) -> None:
    assert cnn("compare", "a").code == 2
    assert cnn("compare", "a", "none").code == 66
    assert cnn("compare", "a", "b", "-o", "curves.jpg").code == 2
    assert cnn("compare", "a", "b", "-o", "no/curves.png").code == 73
    assert cnn("train", "tiny.yaml", "--run", "c", "data.classes=[x, y, z]", "train.epochs=0").code == 0
    done = cnn("compare", "a", "c")
    assert done.code == 65
    assert "know different classes: 0, 1, 2; x, y, z" in done.err
    assert cnn("train", "tiny.yaml", "--run", "d", "train.epochs=0").code == 0
    assert cnn("compare", "a", "d").code == 0
    done = cnn("compare", "a", "d", "-o", "curves.png")
    assert done.code == 65
    assert "no epochs to draw" in done.err


def test_images_left_out_are_named(cnn: Cnn, folder: Path, digits: Path) -> None:
    for run in ("a", "b"):
        leave_out = ("data.on_error=skip", "data.max_bad=0.5")
        assert cnn("train", "tiny.yaml", "--run", run, "train.epochs=0", *leave_out).code == 0
    (digits / "0/bad.png").write_text("no image")
    done = cnn("compare", "a", "b", "--data", str(digits), "--json")
    assert done.code == 0
    assert json.loads(done.out)["images"] == 15
    assert done.err == f"warning: skipped: {digits.resolve()}/0/bad.png: not an image (looks like text)\n"
