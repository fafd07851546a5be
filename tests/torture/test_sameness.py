"""Equal bits whatever runs beside: threads, threads that decode, the order of hashes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import start
from test_saving import finished

HEAD = """
data: {train: data.npz, validation: 0.25, augment: [{shift: 1}, {rotate: 9}]}
train: {epochs: 2, batch_size: 40, report: false}
"""
CONV = "{conv2d: {out_channels: 5, kernel_size: 3, padding: 1}}"
END = "{linear: {out_features: 3}}"
NETWORKS = {
    "plain": f"[{CONV}, relu, {END}]",
    "winograd": "[{conv2d: {out_channels: 16, kernel_size: 3, padding: 1, algorithm: winograd}}, relu, " + END + "]",
    "strided": "[{conv2d: {out_channels: 4, kernel_size: 3, stride: 2}}, tanh, " + END + "]",
    "groups": f"[{CONV}, {{conv2d: {{out_channels: 10, kernel_size: 3, groups: 5}}}}, relu, {END}]",
    "batch norm": f"[{CONV}, batch_norm2d, relu, {CONV}, batch_norm2d, relu, {END}]",
    "group norm": f"[{CONV}, {{group_norm: {{groups: 5}}}}, silu, {END}]",
    "dropout": f"[{CONV}, gelu, {{dropout: {{p: 0.4}}}}, {END}]",
    "contrast": f"[{CONV}, contrast_norm2d, {{avg_pool2d: {{kernel_size: 2}}}}, {END}]",
    "brightness": f"[{CONV}, brightness_norm2d, {{max_pool2d: {{kernel_size: 2}}}}, {END}]",
    "local": "[{local2d: {out_channels: 3, kernel_size: 3}}, sigmoid, " + END + "]",
    "table": f"[{CONV}, relu, {{conv2d: {{out_channels: 6, kernel_size: 3, table: {{random: {{fan_in: 3}}}}}}}}, "
    f"{END}]",
    "skipping": f"[{CONV}, {{conv2d: {{out_channels: 5, kernel_size: 1}}, name: b}}, "
    f"{{add: , inputs: [conv2d_1, b]}}, relu, global_avg_pool2d, {END}]",
}
FILES = ("last.npz", "best.npz", "results.csv", "metrics.jsonl")


@pytest.mark.parametrize("name", NETWORKS)
def test_threads_workers_and_hashes(name: str, folder: Path, tried: Callable[[str, int], None]) -> None:
    Path("net.yaml").write_text(f"{HEAD}model: {NETWORKS[name]}\n")
    for number, (threads, workers) in enumerate(((1, 0), (2, 1), (3, 3), (4, 0), (8, 1))):
        options = ("--threads", str(threads), "--workers", str(workers), "--run", str(number))
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        finished(start("train", "net.yaml", *options, env=environment))
        for file in FILES:
            assert Path(str(number), file).read_bytes() == Path("0", file).read_bytes(), file
        tried("7", 1)
