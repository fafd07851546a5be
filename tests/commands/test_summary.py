"""``cnn summary``."""

import json
from pathlib import Path

import pytest
from conftest import ROOT, Cnn

LENET5 = str(ROOT / "configs/lenet5.yaml")
KEYS = ["name", "type", "output", "parameters", "connections", "multiply_adds", "receptive_field"]


def test_lenet5(cnn: Cnn) -> None:
    done = cnn("summary", LENET5, "data.train=/nowhere", "--json")
    assert (done.code, done.err) == (0, "")
    *layers, totals = map(json.loads, done.out.splitlines())
    assert all(list(layer) == KEYS for layer in layers)
    assert layers[0] == {
        "name": "conv2d_1", "type": "conv2d", "output": [6, 28, 28], "parameters": 156, "connections": 122304,
        "multiply_adds": 117600, "receptive_field": [5, 5],
    }  # fmt: skip
    assert totals["parameters"] == 61706 == sum(layer["parameters"] for layer in layers)
    assert totals["layers"] == len(layers) == 11


def test_table(cnn: Cnn) -> None:
    head, first, *_, last = cnn("summary", LENET5).out.splitlines()
    assert first.split() == ["conv2d_1", "conv2d", "6x28x28", "156", "122,304", "117,600", "5x5", "18.8", "kB"]
    assert last.split()[:4] == ["total", "61,706", "423,038", "416,520"]
    assert head.index("parameters") + len("parameters") == last.index("61,706") + len("61,706")


def test_a_checkpoint_and_its_config_agree(cnn: Cnn, trained: Path) -> None:
    wanted = cnn("summary", "tiny.yaml").out
    assert cnn("summary", str(trained)).out == cnn("summary", str(trained / "best.npz")).out == wanted


def test_overrides(cnn: Cnn, trained: Path) -> None:
    _, first, *_ = cnn("summary", "tiny.yaml", "model.0.out_channels=7").out.splitlines()
    assert "7x4x3" in first
    done = cnn("summary", str(trained), "model.0.out_channels=7")
    assert done.code == 2
    assert "cannot be changed" in done.err


@pytest.mark.parametrize(("path", "code"), [("no.yaml", 66), ("no.npz", 66), ("data", 66)])
def test_missing(cnn: Cnn, path: str, code: int) -> None:
    assert cnn("summary", path).code == code
