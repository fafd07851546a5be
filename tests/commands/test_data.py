"""Data of every format from the command line: trained on, evaluated, predicted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn
from PIL import Image

from cnncli.checkpoint import load
from cnncli.datasets import _cache, _reading

NETWORK = """
model:
  - conv2d: {out_channels: 2, kernel_size: 3}
  - relu
  - linear: {out_features: 2}
train: {epochs: 1, batch_size: 4}
"""


def photos(root: Path, count: int = 6) -> None:
    """Two classes of colour pictures, no two of one size."""
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for i in range(count):
            image = rng.integers(0, 255, (9 + 2 * i, 20 - i - count * (label == "cat"), 3), np.uint8)
            Image.fromarray(image).save(root / label / f"{i}.png")


def test_uneven_sizes_need_a_word(cnn: Cnn, folder: Path) -> None:
    photos(folder / "photos")
    Path("c.yaml").write_text("data: {train: photos}" + NETWORK)
    done = cnn("train", "c.yaml")
    assert (done.code, done.out) == (65, "")
    assert "sizes differ" in done.err
    assert "fit: resize, crop, letterbox or pad" in done.err
    assert not Path("runs").exists()


@pytest.mark.parametrize("mode", ["resize", "crop", "pad", "letterbox"])
def test_eval_and_predict_see_the_same_pixels(cnn: Cnn, folder: Path, mode: str) -> None:
    photos(folder / "photos")
    Path("c.yaml").write_text(
        f"data: {{train: photos, test: photos, image: {{size: [12, 11], channels: 3, fit: {mode}}}}}" + NETWORK
    )
    assert cnn("train", "c.yaml").code == 0
    assert cnn("eval", "--predictions", "e.csv").code == 0
    evaluated = {row["path"]: row for row in csv.DictReader(Path("e.csv").read_text().splitlines())}
    predicted = list(csv.DictReader(io.StringIO(cnn("predict", str(folder / "photos"), "--csv").out)))
    assert len(predicted) == len(evaluated) == 12
    for row in predicted:
        assert [row[name] for name in ("cat", "dog")] == [evaluated[row["path"]][name] for name in ("cat", "dog")]
    assert cnn("train", "c.yaml", "--resume", "train.epochs=2").code == 0


def test_a_label_beyond_the_outputs(cnn: Cnn, folder: Path) -> None:
    photos(folder / "photos", 2)
    Path("list.csv").write_text("photos/cat/0.png,0\nphotos/cat/1.png,1\nphotos/dog/0.png,17\n")
    Path("c.yaml").write_text("data: {train: list.csv, image: {size: 12, channels: 1}}" + NETWORK)
    done = cnn("train", "c.yaml")
    assert done.code == 65
    assert done.err.endswith(
        "photos/dog/0.png: label 17, but the network has 2 outputs, for labels from 0 to 1; "
        "is it wrong, or does the network need 18 outputs?\n"
    )


def test_workers_and_cache_change_no_result(cnn: Cnn, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cache, "WORTH", 0)
    monkeypatch.setattr(_cache, "KEEP_FREE", 0)
    monkeypatch.setattr(_reading, "WORTH", 0)
    monkeypatch.setenv("CNN_CACHE", str(folder / "cache"))
    photos(folder / "photos")
    Path("c.yaml").write_text(
        "data: {train: photos, validation: 0.25, image: {size: 12, channels: 3, fit: crop}, augment: [flip]}" + NETWORK
    )
    ways = [["--no-cache"], ["--workers", "0"], ["--workers", "3"], ["train.workers=1", "--no-cache"]]
    for i, way in enumerate(ways):
        assert cnn("train", "c.yaml", "--run", f"run{i}", *way).code == 0
        assert (folder / "cache").exists() == (i > 0)
    first, *others = (load(Path(f"run{i}/last.npz")).arrays for i in range(len(ways)))
    for other in others:
        assert first.keys() == other.keys()
        for name, array in first.items():
            np.testing.assert_array_equal(array, other[name])
    assert len({Path(f"run{i}/metrics.jsonl").read_bytes() for i in range(len(ways))}) == 1
    assert len(list((folder / "cache").glob("*.npy"))) == 2
