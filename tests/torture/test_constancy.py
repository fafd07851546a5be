"""What must stay as it is: a run that is stopped twice, the bits of each set of kernels, older checkpoints."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import start
from counts import count
from test_sameness import FILES
from test_saving import finished

from cnncli import _fast
from cnncli.model import Model

Note = Callable[[str, int], None]
HERE = Path(__file__).parent
STOPPING = """
import signal
from cnncli.training import Trainer
step = Trainer._step
def stopped(self, *args):
    done = step(self, *args)
    if self.progress.step == STEP:
        signal.raise_signal(signal.SIGUSR1)
    return done
Trainer._step = stopped
"""


def test_resumes_of_resumes(folder: Path, tried: Note) -> None:
    """Stopped after one step and again after another: equal to never having been stopped, to the byte."""
    finished(start("train", "short.yaml", "train.epochs=4", "--run", "whole", "--threads", "1"))
    dice = random.Random(0)
    for number in range(count("6")):
        run = f"run{number}"
        for step in sorted(dice.sample(range(1, 24), 2)):  # four epochs of six steps
            line = ("train", "short.yaml", "train.epochs=4", "--run", run, "--resume", "--threads", str(1 + step % 2))
            process = start(*line, before=STOPPING.replace("STEP", str(step)))
            process.communicate(timeout=60)
            assert process.returncode == 75
        finished(start(*line))
        for name in FILES:
            assert Path(run, name).read_bytes() == Path("whole", name).read_bytes(), (run, name)
        shutil.rmtree(run)
        tried("6", 1)


GOLDEN = json.loads((HERE / "golden.json").read_text())
NETWORKS = {
    "direct": "[{conv2d: {out_channels: 5, kernel_size: 3}}, relu, {max_pool2d: {kernel_size: 2}}, "
    "{linear: {out_features: 3}}]",
    "normalized": "[{conv2d: {out_channels: 4, kernel_size: 3, stride: 2}}, batch_norm2d, relu, {dropout: {p: 0.3}}, "
    "{linear: {out_features: 3}}]",
}  # fmt: skip


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("name", NETWORKS)
def test_bits_of_each_set_of_kernels(name: str, variant: str, folder: Path, tried: Note) -> None:
    """Trained weights are those that are written down: on any processor, with any compiler that keeps IEEE's rules.

    A change that is meant to change bits renews them: the test says what it found.
    """
    Path("net.yaml").write_text(
        f"data: {{train: data.npz, validation: 0.25}}\nmodel: {NETWORKS[name]}\n"
        "optimizer: {sgd: {lr: 0.05, momentum: 0.9}}\ntrain: {epochs: 3, batch_size: 16, report: false}\n"
    )
    finished(start("train", "net.yaml", "--run", "run", env={**os.environ, "CNN_KERNELS": variant}))
    with np.load("run/last.npz") as arrays:
        names = sorted(name for name in arrays.files if name.endswith((".weight", ".bias", ".running_mean")))
        found = hashlib.sha256(b"".join(arrays[name].tobytes() for name in names)).hexdigest()
    assert GOLDEN[name].get(variant) == found
    tried("9", 1)


@pytest.mark.parametrize("path", sorted((HERE / "formats").glob("*.npz")), ids=lambda path: path.stem)
def test_checkpoints_of_older_versions(path: Path, tried: Note) -> None:
    """Each loads, and gives the scores that it gave when it was written."""
    model = Model.load(path)
    images = np.arange(4 * 36, dtype=np.uint8).reshape(4, 6, 6, 1)
    np.testing.assert_allclose(model.scores(images), json.loads(path.with_suffix(".json").read_text()), rtol=1e-5)
    tried("25", 1)
