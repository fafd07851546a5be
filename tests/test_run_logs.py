"""Logs of a run: whole lines, equal after a resume, and never a reason to stop."""

import contextlib
import json
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnncli.runs import RunFolder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


HISTORY: list[dict[str, Any]] = [
    {"epoch": 1, "loss": 0.1 + 0.2, "accuracy": None},
    {"epoch": 2, "loss": float("nan"), "accuracy": 0.5},
    {"epoch": 3, "loss": 1e-12, "accuracy": 1.0},
]
HEALTH = {"conv2d_1": {"gradient": 0.25, "update": 1e-3}, "relu_1": {"dead": 0.0}}
CSV = "epoch,loss,accuracy\n1,0.30000000000000004,\n2,nan,0.5\n3,1e-12,1.0\n"


def test_logs() -> None:
    with RunFolder.claim("a") as run:
        for row in HISTORY:
            run.append_epoch(row, HEALTH)
            run.append_timing({"epoch": row["epoch"], "wall_s": 1.5})
        run.log("über\udcff")
        run.write_config("train: {}\n")
        run.write_env({"cpu": "x"})
    assert (run.path / "results.csv").read_text() == CSV
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    rows = [row | {"health": HEALTH} for row in (HISTORY[0], HISTORY[1] | {"loss": None}, HISTORY[2])]
    assert [json.loads(line) for line in lines] == rows
    assert (run.path / "timing.jsonl").read_text().count("\n") == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d über\\udcff\n", (run.path / "log.txt").read_text())
    assert (run.path / "config.yaml").read_text() == "train: {}\n"
    assert json.loads((run.path / "env.json").read_text()) == {"cpu": "x"}


@pytest.mark.parametrize("epochs_kept", [0, 1, 2, 3])
@pytest.mark.parametrize("damage", ["", "half a row", "3,,\n3,,\n", '{"epoch": 1, "loss": 0.3'])
def test_logs_of_a_resumed_run_equal_those_of_an_uninterrupted_one(epochs_kept: int, damage: str) -> None:
    with RunFolder.claim("a") as whole:
        for row in HISTORY:
            whole.append_epoch(row, HEALTH)
    with RunFolder.claim("a") as run:
        for row in HISTORY[: max(epochs_kept, 2)]:
            run.append_epoch(row, HEALTH)
    for name in ("results.csv", "metrics.jsonl"):
        with (run.path / name).open("a") as file:
            file.write(damage)
    history = json.loads(json.dumps(HISTORY[:epochs_kept]))  # as it comes from a checkpoint
    with RunFolder.open(run.path) as run:
        run.restore_logs(history)
        for row in HISTORY[epochs_kept:]:
            run.append_epoch(row, HEALTH)
    for name in ("results.csv", "metrics.jsonl"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_rows_whose_line_is_lost_come_from_the_checkpoint() -> None:
    """All but the health of the layers, which it does not hold."""
    with RunFolder.claim("a") as run:
        run.append_epoch(HISTORY[0], HEALTH)
        run.append_epoch(HISTORY[2], HEALTH)
        run.restore_logs([HISTORY[0] | {"loss": 0.5}, *HISTORY[1:]])
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    rows = [HISTORY[0] | {"loss": 0.5}, HISTORY[1] | {"loss": None}, HISTORY[2] | {"health": HEALTH}]
    assert [json.loads(line) for line in lines] == rows


def test_failing_logs_warn_once_and_catch_up(capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder.claim("a") as run:
        run.append_epoch(HISTORY[0], HEALTH)
        with failing_writes(3):
            run.append_epoch(HISTORY[1], HEALTH)
            run.append_epoch(HISTORY[1], HEALTH)
        assert (run.path / "results.csv").read_text() == "epoch,loss,accuracy\n1,0.30000000000000004,\n"
        run.append_epoch(HISTORY[2], HEALTH)
    assert (run.path / "results.csv").read_text().splitlines()[2:] == ["2,nan,0.5", "2,nan,0.5", "3,1e-12,1.0"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, ("results.csv", "metrics.jsonl"), strict=True):
        assert line.startswith(f"warning: runs/a/{name}: cannot be written: ")
        assert line.endswith("; the training goes on")


@contextlib.contextmanager
def failing_writes(spare: int) -> Iterator[None]:
    """Let results.csv grow by `spare` bytes only, and no other file beyond that."""
    size = Path("runs/a/results.csv").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_logs_that_cannot_be_opened_do_not_stop_a_training() -> None:
    warnings: list[str] = []
    with RunFolder.claim("a", warn=warnings.append) as run:
        (run.path / "log.txt").mkdir()
        for _ in range(3):
            run.log("text")
        (run.path / "log.txt").rmdir()
        run.log("end")
    assert len(warnings) == 1
    assert (run.path / "log.txt").read_text().count("\n") == 4
