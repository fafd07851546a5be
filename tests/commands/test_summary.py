"""``cnn summary``."""

import json
from pathlib import Path

import pytest
from conftest import ROOT, Cnn

LENET5 = str(ROOT / "configs/lenet5.yaml")
KEYS = ["name", "type", "output", "parameters", "connections", "multiply_adds", "fully_connected", "receptive_field"]


def test_lenet5(cnn: Cnn) -> None:
    done = cnn("summary", LENET5, "data.train=/nowhere", "--json")
    assert (done.code, done.err) == (0, "")
    *layers, totals = map(json.loads, done.out.splitlines())
    assert all(list(layer) == KEYS for layer in layers)
    assert layers[0] == {
        "name": "conv2d_1", "type": "conv2d", "output": [6, 28, 28], "parameters": 156, "connections": 122304,
        "multiply_adds": 117600, "fully_connected": 784 * 4704 + 4704, "receptive_field": [5, 5],
    }  # fmt: skip
    assert [layer["fully_connected"] for layer in layers[1:3]] == [0, 0], "no weights"
    assert totals["parameters"] == 61706 == sum(layer["parameters"] for layer in layers)
    assert totals["layers"] == len(layers) == 11


def test_table(cnn: Cnn) -> None:
    head, first, *_, last = cnn("summary", LENET5).out.partition("\n\n")[0].splitlines()
    assert first.split() == ["conv2d_1", "conv2d", "6x28x28", "156", "122,304", "117,600", "5x5", "18.8", "kB"]
    assert last.split()[:4] == ["total", "61,706", "423,038", "416,520"]
    assert head.index("parameters") + len("parameters") == last.index("61,706") + len("61,706")


def test_what_sharing_saves(cnn: Cnn) -> None:
    """The numbers of the lecture: 32x32 pixels to six maps of 28x28, one layer for each way to connect them."""
    options = {"out_channels": 6, "kernel_size": 5}
    shared, matrix = {"conv2d": options}, {"conv2d": options | {"bias": "matrix"}}
    for layer, own in ((shared, "156"), (matrix, "4,854"), ({"local2d": options}, "122,304")):
        model = [layer, {"linear": {"out_features": 2}}]
        Path("one.yaml").write_text(json.dumps({"data": {"image": {"size": 32, "channels": 1}}, "model": model}))
        costs = cnn("summary", "one.yaml").out.partition("\n\n")[2].splitlines()
        assert costs[0].startswith("parameters of")
        assert costs[1].split()[1:] == [own, "122,304", "4,821,600"]
        assert len(costs) == 2


def test_a_fully_connected_layer_saves_nothing(cnn: Cnn) -> None:
    model = [{"linear": {"out_features": 3, "bias": False}}, {"linear": {"out_features": 2}}]
    Path("two.yaml").write_text(json.dumps({"data": {"image": {"size": 4, "channels": 1}}, "model": model}))
    assert "without sharing" not in cnn("summary", "two.yaml").out


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
