"""A tiny data set and config in the current folder, and ways to run the command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from cnncli import cli
from cnncli.reporting import report

ROOT = Path(__file__).parents[2]
CONFIG = """
data: {train: data, validation: 0.25}
model:
  - conv2d: {out_channels: 4, kernel_size: 3}
  - batch_norm2d
  - relu
  - dropout: {p: 0.3}
  - linear: {out_features: 3}
optimizer: {sgd: {lr: 0.05, momentum: 0.9}}
train: {epochs: 4, batch_size: 16, report: false}
"""

KEPT = ("last.npz", "best.npz", "results.csv", "metrics.jsonl", "config.yaml")  # of a run, without times
JSON_KEYS = [
    "run", "epochs", "best_epoch", "validation_accuracy", "test_accuracy", "checkpoint", "wall_s", "images_per_s",
]  # fmt: skip


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Cnn = Callable[..., Done]


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright row whose place is the label, 0 to 2."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = rng.integers(0, 160, (count, 6, 5), np.uint8)
    pixels[np.arange(count), 2 * labels] = 250
    return pixels, labels.astype(np.uint8)


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(head + array.tobytes())


@pytest.fixture(autouse=True)
def no_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of trainings, which would take longer than the trainings; where one is wanted it is asked for."""
    monkeypatch.setattr(report, "PACKAGES", ("not installed",))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with tiny.yaml and its data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for part, count in (("train", 60), ("t10k", 21)):
        pixels, labels = images(count, seed=count)
        write_idx(tmp_path / f"data/{part}-images-idx3-ubyte", pixels)
        write_idx(tmp_path / f"data/{part}-labels-idx1-ubyte", labels)
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def cnn(capfdbinary: pytest.CaptureFixture[bytes]) -> Cnn:
    """Run a command line in this process."""

    def run(*args: str) -> Done:
        capfdbinary.readouterr()
        code = cli.run(args)
        out, err = capfdbinary.readouterr()
        return Done(code, out.decode(errors="surrogateescape"), err.decode(errors="surrogateescape"))

    return run


@pytest.fixture
def trained(cnn: Cnn) -> Path:
    """The folder of a finished run."""
    assert cnn("train", "tiny.yaml").code == 0
    return Path("runs/tiny")


@pytest.fixture
def digits(folder: Path) -> Path:
    """Class folders of PNG files, named 0, 1 and 2."""
    for index, (pixels, label) in enumerate(zip(*images(15, seed=1), strict=True)):
        path = folder / f"digits/{label}/{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return Path("digits")


def start(*args: str, script: str = "", **options: object) -> subprocess.Popen[str]:
    """Start the command in a process of its own, after lines of Python."""
    lines = f"import sys\nfrom cnncli import cli\n{script}\nsys.argv[1:] = {list(args)!r}\ncli.main()"
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    env = dict(os.environ)
    return subprocess.Popen([sys.executable, "-P", "-c", lines], env=env, **settings)  # type: ignore[call-overload]


def contents(run: str) -> dict[str, bytes]:
    """What a resumed run and one that was never stopped have in common."""
    return {name: Path(run, name).read_bytes() for name in KEPT}
