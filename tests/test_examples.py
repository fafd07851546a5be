"""The scripts in examples/slurm, run with commands of Slurm and a cnn that write down how they were called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "examples" / "slurm"
GRANTED = {"SLURM_JOB_NAME": "cnn", "SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}


def called(folder: Path, script: str, code: int) -> tuple[int, list[str]]:
    """Exit code of a script whose cnn ends with `code`, and the commands that it called."""
    calls = folder / "calls"
    for name, end in (("srun", f"exit {code}"), ("cnn", f"exit {code}"), ("scontrol", "exit 0")):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\n{end}\n')
        (folder / name).chmod(0o755)
    environment = os.environ | GRANTED | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", SCRIPTS / script, "x.yaml"], env=environment, check=False)
    return done.returncode, calls.read_text().splitlines()


def test_a_stopped_training_is_queued_again(tmp_path: Path) -> None:
    training = "srun cnn train x.yaml --run runs/cnn-7 --resume"
    assert called(tmp_path, "requeue.sh", 75) == (75, [training, "scontrol requeue 7"])
    (tmp_path / "calls").unlink()
    training = "srun --mpi=pmi2 cnn train x.yaml --run runs/cnn-7 --resume"
    assert called(tmp_path, "mpi.sh", 75) == (75, [training, "scontrol requeue 7"])
    (tmp_path / "calls").unlink()
    assert called(tmp_path, "mpi.sh", 0) == (0, [training])


@pytest.mark.parametrize("code", [0, 2, 65, 76, 130])
def test_one_that_ended_is_not(tmp_path: Path, code: int) -> None:
    assert called(tmp_path, "requeue.sh", code) == (code, ["srun cnn train x.yaml --run runs/cnn-7 --resume"])


def test_single_and_array(tmp_path: Path) -> None:
    line = "cnn train x.yaml --run runs/cnn --resume --max-time 3h50m"
    assert called(tmp_path, "single.sh", 75) == (75, [line])
    (tmp_path / "calls").unlink()
    line = "cnn train x.yaml train.seed=3 --run runs/cnn-3 --resume --max-time 3h50m --json"
    assert called(tmp_path, "array.sh", 0) == (0, [line])


def test_sweep(tmp_path: Path) -> None:
    line = "cnn sweep x.yaml --index 3 --max-time 3h50m"
    assert called(tmp_path, "sweep.sh", 0) == (0, [line])
