"""What ``cnn train`` says of the health of layers."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Cnn

LAYERS = {"conv2d_1", "tanh_1", "linear_1"}


def test_every_epoch_is_logged_and_each_trouble_told_once(cnn: Cnn, folder: Path) -> None:
    model = "[{conv2d: {out_channels: 4, kernel_size: 3}}, tanh, {linear: {out_features: 3}}]"
    done = cnn("train", "tiny.yaml", f"model={model}", "optimizer={sgd: {lr: 100}}", "train.epochs=3", "--run", "run")
    assert done.code == 0
    rows = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    assert [set(row["health"]) for row in rows] == [LAYERS] * 3
    assert rows[0]["health"]["tanh_1"]["saturated"] > 0.5
    warnings = [line.removeprefix("warning: ") for line in done.err.splitlines() if line.startswith("warning: ")]
    (flat,) = [line for line in warnings if " of the outputs of tanh_1 lie where it is flat: " in line]
    assert "put batch_norm2d before the layer" in flat
    assert flat in (folder / "run/log.txt").read_text()


def test_a_healthy_run_says_nothing(cnn: Cnn, folder: Path) -> None:
    assert "warning" not in cnn("train", "tiny.yaml").err
