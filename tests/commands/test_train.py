"""``cnn train``: what it writes and says."""

import csv
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import JSON_KEYS, Cnn, contents

from cnncli import cli, lock
from cnncli.checkpoint import load
from cnncli.commands import _progress
from cnncli.commands._duration import Duration
from cnncli.lock import Lock
from cnncli.runs import RunFolder
from cnncli.training import Trainer


def test_it_writes_a_run_folder(cnn: Cnn) -> None:
    done = cnn("train", "tiny.yaml")
    assert done.code == 0
    assert set(os.listdir("runs/tiny")) == {
        ".lock", "best.npz", "config.yaml", "env.json", "last.1.npz", "last.npz", "log.txt", "metrics.jsonl",
        "results.csv", "timing.jsonl",
    }  # fmt: skip
    with open("runs/tiny/results.csv") as file:
        rows = list(csv.DictReader(file))
    metrics = [json.loads(line) for line in Path("runs/tiny/metrics.jsonl").read_text().splitlines()]
    layers = {"conv2d_1", "batch_norm2d_1", "relu_1", "linear_1"}
    assert all(set(row.pop("health")) == layers for row in metrics)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [{key: str(value) for key, value in row.items()} for row in metrics] == rows
    assert load(Path("runs/tiny/last.npz")).meta["progress"]["history"] == metrics
    timing = [json.loads(line) for line in Path("runs/tiny/timing.jsonl").read_text().splitlines()]
    assert [list(row) for row in timing] == [["epoch", "wall_s", "data_s", "images_per_s"]] * 4
    assert json.loads(Path("runs/tiny/env.json").read_text())["kernels"]


def test_lines_in_a_log(cnn: Cnn) -> None:
    done = cnn("train", "tiny.yaml")
    data, first, *epochs = done.err.splitlines()
    assert data.endswith(
        "train-images-idx3-ubyte: idx, 60 images for training (25 % of them for validation), 21 for testing; "
        "3 classes, 6x5 grey"
    )
    assert first.startswith("runs/tiny: 45 training images, 15 for validation, 3 classes, ")
    assert [line.split("  ")[0] for line in epochs] == [f"epoch {n}/4" for n in (1, 2, 3, 4)]
    assert done.out.startswith("test accuracy ")
    assert done.out.endswith(" s, runs/tiny\n")
    assert done.out.count("\n") == 1
    log = Path("runs/tiny/log.txt").read_text()
    assert all(line in log for line in [*epochs, done.out.strip()])


def test_a_line_a_minute_within_long_epochs(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "LOG_EVERY", 0)
    lines = cnn("train", "tiny.yaml", "train.epochs=1").err.splitlines()[2:]
    assert lines[0].startswith("epoch 1/1  35.6 % of it  loss ")
    assert len(lines) == 4


def test_a_bar_on_a_terminal(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "on_terminal", lambda: True)
    monkeypatch.setattr(_progress, "DRAW_EVERY", 0)
    done = cnn("train", "tiny.yaml")
    assert done.code == 0
    assert "\repoch 1/4 " in done.err
    assert "epoch 4/4  loss" in done.err
    assert done.out.count("\n") == 1


def test_json(cnn: Cnn) -> None:
    done = cnn("train", "tiny.yaml", "--json", "--run", "here")
    values = json.loads(done.out)
    assert list(values) == JSON_KEYS
    best = load(Path("here/best.npz")).meta["progress"]
    assert (values["run"], values["epochs"], values["checkpoint"]) == ("here", 4, "here/best.npz")
    assert values["best_epoch"] == best["best_epoch"] == best["epoch"]
    assert values["validation_accuracy"] == best["history"][-1]["validation_accuracy"]
    assert values["test_accuracy"] == json.loads(cnn("eval", "here", "--json").out)["accuracy"]


def test_without_validation_and_test(cnn: Cnn, folder: Path) -> None:
    for file in folder.glob("data/t10k*"):
        file.unlink()
    values = json.loads(cnn("train", "tiny.yaml", "data.validation=null", "--json").out)
    assert values["validation_accuracy"] is values["test_accuracy"] is None
    assert cnn("train", "tiny.yaml", "data.validation=null").out.startswith("training accuracy ")
    assert cnn("train", "tiny.yaml").out.startswith("validation accuracy ")


def test_no_epochs_write_and_evaluate_the_fresh_network(cnn: Cnn) -> None:
    values = json.loads(cnn("train", "tiny.yaml", "train.epochs=0", "--json").out)
    assert (values["epochs"], values["best_epoch"]) == (0, None)
    assert 0 <= values["test_accuracy"] <= 1
    assert cnn("eval", "runs/tiny").code == 0
    assert cnn("train", "tiny.yaml", "--resume").code == 0
    assert cnn("train", "tiny.yaml", "--run", "other").code == 0
    for name in ("last.npz", "best.npz"):
        fresh, direct = load(Path("runs/tiny", name)), load(Path("other", name))
        assert all(np.array_equal(array, direct.arrays[key]) for key, array in fresh.arrays.items())


def test_the_resolved_config_runs_from_anywhere(cnn: Cnn, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cnn("train", "tiny.yaml", "optimizer.sgd.lr=0.02").code == 0
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert cnn("train", "../runs/tiny/config.yaml", "--run", "again").code == 0
    assert contents("again") == contents("../runs/tiny")


def test_names_of_run_folders(cnn: Cnn) -> None:
    for _ in range(2):
        assert cnn("train", "tiny.yaml", "train.epochs=0").code == 0
    assert sorted(os.listdir("runs")) == ["tiny", "tiny-2"]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_change_nothing(cnn: Cnn, trained: Path, threads: str) -> None:
    assert cnn("train", "tiny.yaml", "--run", "other", "--threads", threads).code == 0
    assert contents("other") == contents(str(trained))


# --- interrupted and resumed


def test_how_often_it_saves(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    saves: list[tuple[int, bool]] = []
    real = RunFolder.save_checkpoint

    def counted(self: RunFolder, arrays: Any, meta: Any, best: bool) -> None:
        saves.append((meta["progress"]["step"], best))
        real(self, arrays, meta, best)

    monkeypatch.setattr(RunFolder, "save_checkpoint", counted)
    assert cnn("train", "tiny.yaml", "train.save_every=5 steps").code == 0
    assert [step for step, best in saves if not best] == [5, 10] + [12] * (not saves[-1][1])
    saves.clear()
    assert cnn("train", "tiny.yaml").code == 0
    assert [step for step, _ in saves] == [3, 6, 9, 12]


def test_early_stopping(cnn: Cnn) -> None:
    stopping = "train.early_stopping={patience: 1, min_delta: 9}"
    done = cnn("train", "tiny.yaml", stopping)
    assert done.code == 0
    assert done.err.splitlines()[-1] == "stopped early: the validation loss has made no progress for 1 epoch"
    assert "stopped early" in Path("runs/tiny/log.txt").read_text()
    done = cnn("train", "tiny.yaml", stopping, "--resume")
    assert (done.code, done.out) == (0, "")
    assert "finished, stopped early: the" in done.err
    assert "train.early_stopping=null asks for more" in done.err
    assert cnn("train", "tiny.yaml", "--resume").code == 0
    assert cnn("train", "tiny.yaml", "--run", "whole").code == 0
    assert contents("runs/tiny") == contents("whole")


def test_the_moving_average_is_what_is_used(cnn: Cnn) -> None:
    assert cnn("train", "tiny.yaml", "train.ema=0.5").code == 0
    stored = load(Path("runs/tiny/best.npz"))
    weights = [name for name in stored.arrays if name.startswith("conv2d_1.")]
    assert len(weights) == 2
    assert not any(np.array_equal(stored.arrays[name], stored.arrays[f"raw:{name}"]) for name in weights)
    found = json.loads(cnn("eval", "runs/tiny", "--data", "data", "--json").out)
    assert (
        found["accuracy"]
        == json.loads(cnn("train", "tiny.yaml", "train.ema=0.5", "--resume", "--json").out)["test_accuracy"]
    )


def test_diverged_keeps_what_was_saved(cnn: Cnn, trained: Path) -> None:
    done = cnn("train", "tiny.yaml", "--resume", "train.epochs=60", "optimizer.sgd.lr=1e9")
    assert done.code == 76
    assert "runs/tiny keeps last.npz, best.npz and diverged.npz" in done.err
    for name in ("last.npz", "best.npz"):
        assert cnn("eval", str(trained / name)).code == 0


# --- options


@pytest.mark.parametrize(
    ("text", "seconds"), [("3h55m", 14100), ("90m", 5400), ("45s", 45), ("1d12h", 129600), ("1h1m1s", 3661)]
)
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


def test_options_reach_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def experiment(spec: Any, threads: int, **_: Any) -> None:
        seen.update(epochs=spec.train.epochs, threads=threads)
        raise KeyboardInterrupt

    monkeypatch.setattr("cnncli.experiment.Experiment", experiment)
    CliRunner().invoke(cli.cnn, ["train", "tiny.yaml", "train.epochs=7", "--threads", "3"])
    assert seen == {"epochs": 7, "threads": 3}


def test_lines_say_what_is_left_and_what_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 100.0, 50_000.0])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    progress = SimpleNamespace(epoch=0, batch=0)
    lines = _progress.Lines(SimpleNamespace(progress=progress, epochs=10, train=range(50), images_per_step=10))  # type: ignore[arg-type]
    assert lines._left() == ""
    progress.batch = 1
    assert lines._left() == "  about 82 min left"
    progress.epoch = 1
    assert lines._left() == "  about 101.9 h left"
    row = {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5}
    for seconds, share, told in ((60.0, 0.05, False), (3.0, 0.25, False), (8.0, 0.25, True)):
        line = _progress.epoch_line(row, 3, seconds, 100, share, False)
        assert ("25.0 % of it waiting for data" in line) == told


def test_a_sign_of_life_in_every_step(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[int] = []
    monkeypatch.setattr(Lock, "beat", lambda _: beats.append(1))
    assert cnn("train", "tiny.yaml", "train.epochs=2").code == 0
    assert len(beats) >= 2 * 3


def test_who_has_lost_the_folder_writes_no_more_into_it(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine took it during a step of more than a minute."""
    step, other, before = Trainer._step, "process 7 on another since 2026-01-01 00:00:00", b""

    def long(self: Trainer, *args: Any) -> Any:
        nonlocal before
        if self.progress.step == 2:
            before = Path("runs/tiny/last.npz").read_bytes()
            Path("runs/tiny/.lock").write_text(other)
        return step(self, *args)

    monkeypatch.setattr(lock, "LOOK", 0.0)
    monkeypatch.setattr(lock, "BEAT", 0.0)
    monkeypatch.setattr(Trainer, "_step", long)
    done = cnn("train", "tiny.yaml", "train.save_every=1 step")
    assert (done.code, done.err.splitlines()[-1]) == (77, f"error: runs/tiny: in use by {other}")
    assert Path("runs/tiny/last.npz").read_bytes() == before
    assert Path("runs/tiny/.lock").read_text() == other
