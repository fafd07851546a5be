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
LIBRARIES = ["libasan.so", "libubsan.so"]
COMPLAINT = re.compile(r"runtime error|AddressSanitizer")
LEFT_OUT = (".git", ".venv", "build", "runs", "*.so", "__pycache__", "*.egg-info")


def library(name: str) -> str:
    """Where the compiler keeps one of the sanitizers; nothing where it has none."""
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
    return found if os.path.isabs(found) else ""


class Copy:
    """The sources, compiled for the sanitizers in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
        self.build()

    def build(self) -> None:
        flags = {"CFLAGS": "-fsanitize=address,undefined", "CNN_VARIANTS": "baseline"}
        built = subprocess.run(
            [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
            cwd=self.folder, env={**os.environ, **flags}, capture_output=True, text=True,
        )  # fmt: skip
        assert built.returncode == 0, built.stderr[-3000:]

    def tested(self, *tests: str) -> tuple[int, str]:
        """Exit code and output of some tests."""
        watched = {
            "PYTHONPATH": str(self.folder),
            "LD_PRELOAD": " ".join(map(library, LIBRARIES)),
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *tests],
            cwd=self.folder, env={**os.environ, **watched}, capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    if not all(map(library, LIBRARIES)):
        pytest.skip("the compiler has no sanitizers")
    return Copy(tmp_path_factory.mktemp("sanitizers") / "copy")


def test_no_access_out_of_bounds(copy: Copy, tried: Callable[[str, int], None]) -> None:
    code, said = copy.tested(*TESTS)
    assert code == 0, said[-3000:]
    assert not COMPLAINT.search(said)
    tried("16", said.count("."))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("lanes, samples, channels", "lanes, samples + 1, channels"), ("first + lanes < n", "first + lanes < n + 99")],
    ids=["a column too many", "images that are not there"],
)
def test_kernels_that_reach_too_far_are_seen(copy: Copy, right: str, wrong: str) -> None:
    """Only one file is compiled again."""
    source = copy.folder / "cnncli/_fast/pack.pyx"
    text = source.read_text()
    assert right in text
    source.write_text(text.replace(right, wrong))
    try:
        copy.build()
        code, said = copy.tested("tests/fast/test_pack.py")
        assert code != 0
        assert COMPLAINT.search(said), said[-3000:]
    finally:
        source.write_text(text)
        copy.build()
