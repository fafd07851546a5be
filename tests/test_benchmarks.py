"""The benchmarks: they start, say what is missing, and know the machine's peak. Their figures are not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NEED_TORCH = ("compare_torch.py", "commands.py")


def run(script: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / script), *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("script", [*NEED_TORCH, "kernels.py", "fma_peak.py", "scaling.py", "predict_files.py"])
def test_help(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0, done.stderr
    assert "--rounds" in done.stdout


@pytest.mark.skipif(find_spec("torch") is not None, reason="PyTorch is installed")
@pytest.mark.parametrize("script", NEED_TORCH)
def test_what_is_missing_is_named(script: str) -> None:
    done = run(script, *(["--data", "."] if script == "commands.py" else []))
    assert done.returncode == 1
    assert done.stderr == f"{script} needs torch: pip install 'cnncli[bench]'\n"


def test_predictions_of_files(tmp_path: Path) -> None:
    done = run("predict_files.py", "--images", "20", "--rounds", "2", "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert {"cnn predict", "decoding alone, 1 process"} <= set(found)
    assert all(len(times) == 2 for times in found.values())


def test_peak() -> None:
    done = run("fma_peak.py", "--threads", "1", "--rounds", "1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["threads"] for row in found} == {1}
    assert all(0.1 < row["median"] <= row["max"] < 2000 for row in found)


def test_kernels(tmp_path: Path) -> None:
    numbers = tmp_path / "kernels.json"
    quick = ["--threads", "1", "--variants", "baseline", "--rounds", "1", "--seconds", "0", "--batch-size", "8"]
    done = run("kernels.py", *quick, "--json", str(numbers))
    assert done.returncode == 0, done.stderr
    rows = json.loads(numbers.read_text(encoding="utf-8"))
    kernels = {row["kernel"] for row in rows}
    assert {"conv2d.forward", "conv2d.backward_input", "conv2d.backward_params", "update.sgd"} <= kernels
    assert all(np.isfinite(row["share"]) and row["share"] > 0 for row in rows)
