"""A run that is stopped after any step and resumed equals one that was not: every bit of the weights and of the logs.

Through the real thing: run folders, checkpoints on the disk, new objects all over, another number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cnncli import yamlio
from cnncli.checkpoint import load
from cnncli.errors import Interrupted
from cnncli.experiment import Experiment
from cnncli.runs import BEST, LAST, RunFolder
from cnncli.session import Session
from cnncli.spec import RunSpec, from_resolved

STEPS, EPOCH, BATCH = 40, 20, 8
FILES = (LAST, BEST, "results.csv", "metrics.jsonl")
PLAIN: list[Any] = [{"conv2d": {"out_channels": 3, "kernel_size": 3}}, "relu", {"linear": {"out_features": 3}}]
NORMED: list[Any] = [PLAIN[0], "batch_norm2d", *PLAIN[1:]]
DROPPED: list[Any] = [*NORMED[:-1], {"dropout": {"p": 0.4}}, NORMED[-1]]
AUGMENT = [{"shift": 1}, {"rotate": 9}, {"noise": 0.1}]
# With this a run of five epochs ends after its second.
STALLED = {"epochs": 5, "early_stopping": {"patience": 1, "min_delta": 9.0}}

RUNS: dict[str, dict[str, Any]] = {
    "momentum, dropout, batch norm": {
        "model": DROPPED,
        "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}},
    },
    "momentum, augmentation, warm-up, cosine": {
        "data": {"augment": AUGMENT},
        "model": NORMED,
        "optimizer": {"sgd": {"lr": 0.05, "momentum": 0.9}},
        "schedule": {"cosine": {"warmup_epochs": 0.5}},
    },
    "adam, moving average, dropout": {
        "model": DROPPED,
        "optimizer": {"adam": {"lr": 0.01}},
        "train": {"ema": 0.9},
    },
    "adam, one cycle, clipped, frozen": {
        "model": DROPPED,
        "optimizer": {"adam": {"lr": 0.01, "weight_decay": 0.1}},
        "schedule": "one_cycle",
        "train": {"clip": {"norm": 0.5}, "freeze": ["conv*"], "groups": [{"match": "*.bias", "lr_factor": 2}]},
    },
    "adamw, early stopping, augmentation, mixed images, balanced classes": {
        "data": {"augment": [*AUGMENT, {"elastic": 5}, {"mixup": 0.4}, "cutmix"], "sample": "balanced"},
        "optimizer": {"adamw": {"lr": 0.01}},
        "train": {**STALLED, "class_weights": "balanced"},
    },
    "adamw, accumulated, moving average, plateau": {
        "model": NORMED,
        "optimizer": {"adamw": {"lr": 0.01}},
        "schedule": {"plateau": {"patience": 1, "min_delta": 9.0, "warmup_epochs": 1}},
        "train": {"batch_size": BATCH // 2, "accumulate": 2, "ema": 0.95},
    },
    "rmsprop, batch norm, early stopping": {
        "model": NORMED,
        "optimizer": {"rmsprop": {"lr": 0.01, "momentum": 0.5, "centered": True}},
        "train": STALLED,
    },
    "rmsprop, multistep, smoothed labels, values clipped": {
        "loss": {"softmax_cross_entropy": {"label_smoothing": 0.1}},
        "optimizer": {"rmsprop": {"lr": 0.01}},
        "schedule": {"multistep": {"milestones": [0.7, 1.2], "gamma": 0.5}},
        "train": {"clip": {"value": 0.01}},
    },
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Noise with a bright row whose place is the label."""
    rng, labels = np.random.default_rng(0), np.arange(EPOCH * BATCH + 30) % 3
    pixels = rng.integers(0, 160, (len(labels), 6, 5), np.uint8)
    pixels[np.arange(len(labels)), 2 * labels] = 250
    path = tmp_path_factory.mktemp("data") / "rows.npz"
    np.savez(path, images=pixels, labels=labels)
    return str(path)


def spec(data: str, run: dict[str, Any]) -> RunSpec:
    mapping = {"model": PLAIN} | run
    mapping["data"] = {"train": data, "validation": 29.5 / (EPOCH * BATCH + 30)} | run.get("data", {})
    mapping["train"] = {"epochs": 2, "batch_size": BATCH} | run.get("train", {})
    return from_resolved(mapping)


def train(spec: RunSpec, folder: Path, threads: int, stop: int | None = None) -> int:
    """Train in a folder, from its newest checkpoint if it has one, to the end or to a step; returns the step."""
    experiment = Experiment(spec, threads)
    progress: Callable[[], Any] = lambda: experiment.trainer.progress  # noqa: E731
    with RunFolder.open(folder) as run:
        session = Session(
            experiment, run, run.newest_valid()[0], lambda: "stopped" if progress().step == stop else None, print
        )
        for _ in session.reports():
            pass
    return int(progress().step)


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("name", RUNS)
def test_stopped_after_every_step(name: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # neither the disk nor YAML is what is tested
    monkeypatch.setattr(yamlio, "dump", lambda config: "")
    run = spec(data, RUNS[name])
    for threads in (1, 2, 4):
        assert train(run, tmp_path / str(threads), threads) == STEPS
    whole = contents(tmp_path / "1")
    assert contents(tmp_path / "2") == contents(tmp_path / "4") == whole
    for stop in range(1, STEPS + 1):
        folder = tmp_path / f"stopped-{stop}"
        with pytest.raises(Interrupted):
            train(run, folder, threads=1, stop=stop)
        assert load(folder / LAST).meta["progress"]["step"] == stop
        train(run, folder, threads=(1, 2, 4)[stop % 3])
        assert contents(folder) == whole, f"stopped after step {stop}"
