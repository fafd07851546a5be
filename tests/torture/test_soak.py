"""A training that goes on and on: its memory and its open files stay as they are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import start
from counts import count

Note = Callable[[str, int], None]
SETTLED = 0.25  # of the time, until which caches fill
CONFIG = """
data: {train: many.npz, validation: 0.1, augment: [{shift: 1}, {rotate: 9}]}
model:
  - conv2d: {out_channels: 32, kernel_size: 5}
  - relu
  - conv2d: {out_channels: 64, kernel_size: 5}
  - batch_norm2d
  - relu
  - dropout: {p: 0.3}
  - linear: {out_features: 3}
optimizer: {sgd: {lr: 0.0001}}
train: {epochs: 1000000, batch_size: 32, save_every: 100 steps, report: false}
"""
PER_HOUR, SCATTER = 1.0, 0.5  # megabytes: what resident memory may grow by, and what a single look may be off by


def resident(pid: int) -> float:
    """Megabytes of memory that are the process's own."""
    fields = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return (int(fields["RssAnon"].split()[0]) + int(fields["RssShmem"].split()[0])) / 1000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is told by /proc")
def test_memory_and_open_files_do_not_grow(folder: Path, tried: Note) -> None:
    """Its epochs take ten seconds and more: a line for each is kept."""
    minutes = count("27")
    if not minutes:
        pytest.skip("only before a release: it takes two hours")
    pixels = np.random.default_rng(0).integers(0, 256, (40_000, 16, 16), dtype=np.uint8)
    np.savez(folder / "many.npz", images=pixels, labels=np.arange(len(pixels)) % 3)
    (folder / "soak.yaml").write_text(CONFIG)
    said = (folder / "said").open("w+")  # a pipe that nobody reads would stop it
    training = start("train", "soak.yaml", "--run", "run", stdout=said, stderr=said)
    began, looks = time.monotonic(), []
    try:
        while (passed := time.monotonic() - began) < 60 * minutes:
            time.sleep(minutes)
            assert training.poll() is None
            if passed > SETTLED * 60 * minutes:
                files = len(os.listdir(f"/proc/{training.pid}/fd"))
                looks.append((passed / 3600, resident(training.pid), files))
    finally:
        training.kill()
        training.wait()
        said.close()
    assert time.time() - (folder / "run/last.npz").stat().st_mtime < 120
    hours, memory, files_open = np.array(looks).T
    slope = np.polyfit(hours, memory, 1)[0]
    assert slope * (hours[-1] - hours[0]) < PER_HOUR * (hours[-1] - hours[0]) + SCATTER, looks
    assert np.ptp(files_open) <= 1, looks  # one more while it saves
    tried("27", minutes)
