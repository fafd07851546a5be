"""Several processes under ``mpiexec``: the same bits for any number, stops and ends, and what each of them says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from cnncli.checkpoint import load

MPIEXEC = Path(sys.executable).parent / "mpiexec"
LENET5 = """
data: {train: data.npz, validation: 0.1, augment: [{shift: 2}, {rotate: 10}]}
model:
  - conv2d: {out_channels: 6, kernel_size: 5, padding: 2}
  - relu
  - max_pool2d: {kernel_size: 2}
  - conv2d: {out_channels: 16, kernel_size: 5}
  - relu
  - max_pool2d: {kernel_size: 2}
  - linear: {out_features: 120}
  - dropout: {p: 0.3}
  - linear: {out_features: 84}
  - relu
  - linear: {out_features: 3}
train: {epochs: 2, batch_size: 128, report: false, save_every: 1 step}
"""
# everything whose sums or random numbers go over images
EVERYTHING = """
data: {train: data.npz, validation: 0.1, augment: [{shift: 2}, {mixup: 0.2}, {cutmix: 1.0}], sample: balanced}
model:
  - conv2d: {out_channels: 6, kernel_size: 3, padding: 1}
  - group_norm: {groups: 2}
  - gain
  - softplus
  - conv2d: {out_channels: 6, kernel_size: 3, padding: 1}
    name: a
  - batch_norm2d
  - relu
  - conv2d: {out_channels: 6, kernel_size: 3, padding: 1}
    share: a
  - batch_norm2d
  - scaled_avg_pool2d: {kernel_size: 2}
  - dropout: {p: 0.2}
  - local2d: {out_channels: 4, kernel_size: 3, stride: 2}
  - layer_norm
  - prelu: {per: layer}
  - linear: {out_features: 3}
optimizer: {adam: {lr: 0.003}}
train:
  {epochs: 2, batch_size: 128, accumulate: 2, clip: {norm: 1}, ema: 0.9, class_weights: balanced, report: false}
"""


@pytest.fixture(autouse=True)
def data(folder: Path) -> None:
    """300 images of 28x28, so that the last batch of an epoch has fewer blocks than there are processes."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    pixels = rng.integers(0, 128, (300, 28, 28), np.uint8)
    pixels[np.arange(300), 8 * labels + 2] = 250
    np.savez(folder / "data.npz", images=pixels, labels=labels)
    Path("lenet5.yaml").write_text(LENET5)
    Path("everything.yaml").write_text(EVERYTHING)


def start(ranks: int, *args: str, script: str = "") -> subprocess.Popen[str]:
    """Start a command in several processes, after lines of Python."""
    lines = f"import os, sys\nfrom cnncli import cli\n{script}\nsys.argv[1:] = {list(args)!r}\ncli.main()"
    command = [MPIEXEC, "-n", str(ranks), sys.executable, "-P", "-c", lines]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(ranks: int, *args: str, script: str = "") -> tuple[int, str, str]:
    """Exit code, results and messages of a command."""
    with start(ranks, *args, script=script) as process:
        out, err = process.communicate(timeout=100)
        return process.returncode, out, err


def train(ranks: int, config: str, run_folder: str, *args: str, script: str = "") -> tuple[int, str, str]:
    return run(ranks, "train", config, "--run", run_folder, "--threads", "1", *args, script=script)


def assert_equal(one: str, other: str) -> None:
    """Two runs are the same to the bit."""
    left, right = (load(Path(name, "last.npz")).arrays for name in (one, other))
    assert left.keys() == right.keys()
    assert [key for key in left if left[key].tobytes() != right[key].tobytes()] == []
    for name in ("results.csv", "metrics.jsonl"):
        assert Path(one, name).read_bytes() == Path(other, name).read_bytes()


@pytest.mark.parametrize("config", ["lenet5.yaml", "everything.yaml", "resnet20"])
def test_any_number_of_processes_gives_the_same_bits(config: str) -> None:
    args = [config]
    if config == "resnet20":
        args = [
            str(ROOT / "configs/resnet20.yaml"),
            "data.train=data.npz",
            "data.image=null",
            "data.classes=null",
            "model.linear_1.out_features=3",
        ]
        args += ["data.validation=0.1", "train.epochs=2", "train.batch_size=128", "train.report=false"]
    for ranks in (1, 2, 3, 4):
        code, _, err = train(ranks, args[0], f"r{ranks}", *args[1:])
        assert code == 0, err
        assert f'"processes": {ranks}' in Path(f"r{ranks}/env.json").read_text()
    for ranks in (2, 3, 4):
        assert_equal("r1", f"r{ranks}")


def test_stopped_in_four_and_gone_on_with_in_two() -> None:
    code, _, err = train(1, "lenet5.yaml", "whole")
    assert code == 0, err
    stopping = """
import signal
from cnncli.training import Trainer
step = Trainer._step
def stopped(self, *args):
    if self.progress.step == 4 and os.environ["PMI_RANK"] == "2":
        signal.raise_signal(signal.SIGUSR1)
    return step(self, *args)
Trainer._step = stopped
"""
    code, _, err = train(4, "lenet5.yaml", "parts", script=stopping)
    assert code == 75
    assert "stopped by SIGUSR1 in epoch 2, step 5; saved in parts/last.npz" in err
    assert "go on with: mpiexec -n 4 cnn train lenet5.yaml --run parts --resume --threads 1" in err
    code, out, err = train(2, "lenet5.yaml", "parts", "--resume")
    assert code == 0
    assert "going on in epoch 2, step 5" in err
    assert out.count("\n") == 1
    assert_equal("whole", "parts")
    assert "2 epochs of 2 are done" in train(3, "lenet5.yaml", "parts", "--resume")[2]


def test_the_fast_way_gives_nearly_the_same() -> None:
    for ranks, how in ((1, "exact"), (2, "fast"), (3, "fast")):
        assert train(ranks, "everything.yaml", f"{how}{ranks}", f"train.reduce={how}", "train.epochs=1")[0] == 0
    exact = load(Path("exact1/last.npz")).arrays
    for name in ("fast2", "fast3"):
        arrays = load(Path(name, "last.npz")).arrays
        for key in exact:
            np.testing.assert_allclose(arrays[key], exact[key], rtol=1e-3, atol=1e-4)


def test_evaluation_and_prediction_are_divided() -> None:
    assert train(1, "lenet5.yaml", "it", "train.epochs=1")[0] == 0
    Path("list.txt").write_text("".join(f"{ROOT}/data/samples/{i % 10}.png\n" for i in range(35)) + "none.png\n")
    found = []
    for ranks in (1, 2, 3):
        files = ("--predictions", f"p{ranks}.csv", "--confusion", f"c{ranks}.csv")
        results = [
            run(ranks, "eval", "it", "--data", "data.npz", *files, "--json"),
            run(ranks, "eval", "it", "--data", "data.npz", "--tta", "flip", "--json"),
            run(ranks, "predict", "--list", "list.txt", "--checkpoint", "it", "--csv"),
        ]
        assert [code for code, *_ in results] == [0, 0, 65]
        found.append([*(out for _, out, _ in results), Path(files[1]).read_text(), Path(files[3]).read_text()])
    assert found[0] == found[1] == found[2]
    assert "there is no such file" in found[0][2]


def living(text: str) -> Iterator[int]:
    """Processes in whose command line a text stands."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if text.encode() in words:
            yield int(path.parent.name)


def gone(text: str, deadline: float) -> bool:
    """Whether no such process is left in time."""
    while left := list(living(text)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return not left


@pytest.mark.parametrize(
    ("rank", "end", "code", "message"),
    [
        (1, "os.kill(os.getpid(), 9)", 9, ""),
        (0, "os.kill(os.getpid(), 9)", 9, ""),
        (2, "raise ValueError('odd')", 70, "process 2 of 3:\nerror: ValueError: odd; this is a bug"),
        (0, "raise ValueError('odd')", 70, "error: ValueError: odd; this is a bug"),
    ],
)
def test_the_end_of_one_is_the_end_of_all(rank: int, end: str, code: int, message: str) -> None:
    script = f"""
from cnncli.training import Trainer
step = Trainer._step
def ending(self, *args):
    if self.progress.step == 4 and os.environ["PMI_RANK"] == "{rank}":
        {end}
    return step(self, *args)
Trainer._step = ending
"""
    mark = f"ends-{os.getpid()}-{rank}-{code}"
    began = time.monotonic()
    found, _, err = train(3, "lenet5.yaml", mark, "train.epochs=1000", script=script)
    assert gone(mark, began + 30)  # with the start; ten seconds are promised after the end of one
    assert found != 0 if code == 9 else found == code
    assert message in err
    assert load(Path(mark, "last.npz")).meta["progress"]["step"] >= 3
    assert "bug" in err or code == 9


def test_ended_ten_seconds_after_a_kill_from_outside() -> None:
    mark = f"killed-{os.getpid()}"
    with start(3, "train", "lenet5.yaml", "--run", mark, "--threads", "1", "train.epochs=100000") as process:
        deadline = time.monotonic() + 60
        while not Path(mark, "last.npz").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        ranks = [pid for pid in living(mark) if pid != process.pid and b"mpiexec" not in command_of(pid)]
        os.kill(ranks[-1], signal.SIGKILL)
        killed = time.monotonic()
        process.communicate(timeout=60)
    assert gone(mark, killed + 10)
    assert process.returncode != 0
    load(Path(mark, "last.npz"))


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return b"mpiexec"


def test_an_error_that_all_meet_is_told_once() -> None:
    code, out, err = run(3, "train", "none.yaml")
    assert (code, out, err.count("there is no such file")) == (66, "", 1)
    code, _, err = train(5, "lenet5.yaml", "none")
    assert code == 2
    assert err.count("too few for 5 processes") == 1
    assert not Path("none").exists()
    code, _, err = run(2, "info")
    assert code == 2
    assert re.search(r"^Error: info needs no mpiexec: only train, eval and predict divide their work$", err, re.M)


def test_numbers_that_end_are_traced_through_all_processes() -> None:
    breaking = """
from cnncli.network import Network
forward = Network.forward
def broken(self, training=False, step=0):
    if training and step == 3 and self.shard.first == 2:
        self.x[0, 0, 0, 0, 5] = float("nan")
    forward(self, training, step)
Network.forward = broken
"""
    code, _, err = train(3, "lenet5.yaml", "nan", script=breaking)
    assert code == 76
    assert "the images is the first that is no number any more, for 1 of 128 images:" in err
    assert Path("nan/diverged.npz").exists()
