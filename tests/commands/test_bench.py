"""``cnn bench``."""

import json

import pytest
from click.testing import CliRunner
from conftest import Cnn

from cnncli import _fast, benchmark, cli

GRAPH = """
data: {image: {size: [8, 8], channels: 3}, classes: 4}
model:
  - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
    name: a
  - relu
  - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
    name: b
  - add:
    inputs: [a, b]
  - global_avg_pool2d
  - linear: {out_features: 4}
"""


def test_json(cnn: Cnn) -> None:
    done = cnn("bench", "tiny.yaml", "--seconds", "0", "--json", "--threads", "1", "--batch-size", "32")
    assert (done.code, done.err) == (0, "")
    values = json.loads(done.out)
    layers = values.pop("layers")
    assert list(values) == [
        "config", "batch_size", "threads", "variant", "train_images_per_s", "eval_images_per_s", "step_ms",
    ]  # fmt: skip
    assert (values["config"], values["batch_size"], values["threads"]) == ("tiny.yaml", 32, 1)
    assert values["variant"] == _fast.variant()
    assert 0 < values["step_ms"]["min"] <= values["step_ms"]["median"]
    assert all(list(layer) == ["name", "forward_ms", "backward_ms", "gflops"] for layer in layers)
    assert [layer["name"] for layer in layers] == ["conv2d_1", "batch_norm2d_1", "relu_1", "dropout_1", "linear_1"]
    assert layers[0]["gflops"] > 0
    assert layers[2]["gflops"] == 0


def test_a_graph_without_data(cnn: Cnn, folder: pytest.TempPathFactory) -> None:
    with open("graph.yaml", "w") as file:
        file.write(GRAPH)
    done = cnn("bench", "graph.yaml", "--seconds", "0")
    assert (done.code, done.err) == (0, "")
    assert "training   " in done.out


@pytest.mark.parametrize(("size", "told"), [("8", False), ("32", False), ("4", True), ("40", True)])
def test_it_says_when_lanes_are_wasted(cnn: Cnn, size: str, told: bool) -> None:
    done = cnn("bench", "tiny.yaml", "--seconds", "0", "--batch-size", size)
    assert done.code == 0
    assert (f"a batch of {size} wastes" in done.err) == told


def test_options_reach_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def measure(spec: object, graph: object, *numbers: object) -> None:
        seen.extend(numbers)
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "measure", measure)
    CliRunner().invoke(cli.cnn, ["bench", "tiny.yaml", "--batch-size", "5", "--threads", "3", "--seconds", "1.5"])
    assert seen == [5, 3, 1.5]
