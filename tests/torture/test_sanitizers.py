"""The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, over the table of layers with its odd sizes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ["tests/layers/test_against_oracles.py", "tests/fast/test_pack.py", "tests/fast/test_augment.py"]
LEFT_OUT = (".git", ".venv", "build", "runs", "*.so", "__pycache__", "*.egg-info")


def library(name: str) -> str:
    """Where the compiler keeps one of the sanitizers; nothing where it has none."""
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
    return found if os.path.isabs(found) else ""


def test_no_access_out_of_bounds(tmp_path: Path, tried: Callable[[str, int], None]) -> None:
    libraries = [library("libasan.so"), library("libubsan.so")]
    if not all(libraries):
        pytest.skip("the compiler has no sanitizers")
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    flags = {"CFLAGS": "-fsanitize=address,undefined", "CNN_VARIANTS": "baseline"}
    built = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=copy, env={**os.environ, **flags}, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-3000:]
    watched = {
        "PYTHONPATH": str(copy),
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *TESTS],
        cwd=copy, env={**os.environ, **watched}, capture_output=True, text=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert not re.search(r"runtime error|AddressSanitizer", said)
    tried("16", said.count("."))
