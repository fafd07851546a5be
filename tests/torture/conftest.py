"""What the rows have in common: a training in a process of its own, and a table of what was tried."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counts import ROWS

TRIED: dict[str, int] = {}
CONFIG = """
data: {train: data.npz, validation: 0.25, augment: [{shift: 1}]}
model:
  - conv2d: {out_channels: 3, kernel_size: 3}
  - batch_norm2d
  - relu
  - dropout: {p: 0.3}
  - linear: {out_features: 3}
optimizer: {sgd: {lr: 0.05, momentum: 0.9}}
train: {epochs: EPOCHS, batch_size: 8, save_every: 1 step, report: false}
"""
# tells every save that is over, as a command line has no reason to
TELLING = """
from cnncli.session import Session
save = Session._save
def told(self, best):
    save(self, best)
    print("saved", self.trainer.progress.step, flush=True)
Session._save = told
"""


@pytest.fixture
def tried() -> Callable[[str, int], None]:
    """Note how often a row was tried."""

    def note(row: str, times: int) -> None:
        TRIED[row] = TRIED.get(row, 0) + times

    return note


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.section("tried", sep="-")
    for row, times in sorted(TRIED.items(), key=lambda item: int(item[0])):
        terminalreporter.write_line(f"row {row:>2}  {times:>7,}  {ROWS[row].text}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with data and a config."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (64, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=pixels, labels=np.arange(64) % 3)
    (tmp_path / "c.yaml").write_text(CONFIG.replace("EPOCHS", "400"))
    (tmp_path / "short.yaml").write_text(CONFIG.replace("EPOCHS", "12"))
    return tmp_path


def start(*args: str, before: str = "", **options: Any) -> subprocess.Popen[str]:
    """``cnn`` in a process of its own, after lines of Python."""
    code = f"import sys\nfrom cnncli import cli\n{before}\nsys.argv[1:] = {list(args)!r}\ncli.main()"
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-P", "-c", code], **{**pipes, **options})


@pytest.fixture
def readonly(folder: Path) -> Iterator[Path]:
    """A folder on a file system that cannot be written, with the data and a run in it."""
    training = start("train", "short.yaml", "train.epochs=1", "--run", "trained")
    _, err = training.communicate(timeout=60)
    assert training.returncode == 0, err
    place = folder / "readonly"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    for name in ("data.npz", "short.yaml", "trained"):
        (shutil.copytree if name == "trained" else shutil.copy)(name, place / name)
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)
