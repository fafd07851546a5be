"""What is round a command: limits, folders that cannot be written, odd pipes and names, damaged data, other ranks."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import start
from counts import RELEASE, count
from PIL import Image
from test_sameness import FILES, HEAD, NETWORKS
from test_saving import finished, step_of

from cnncli.checkpoint import load

Note = Callable[[str, int], None]
RUN = [sys.executable, "-m", "cnncli"]
LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from cnncli.runs import RunFolder
save = RunFolder.save_checkpoint
def limited(self, arrays, meta, best):
    if meta["progress"]["step"] == 6:
        size = (self.path / "last.npz").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size * NUMBER // TIMES, resource.RLIM_INFINITY))
    save(self, arrays, meta, best)
RunFolder.save_checkpoint = limited
"""


def test_files_that_may_not_grow(folder: Path, tried: Note) -> None:
    """A write fails at any byte: the checkpoint before stays, the exit code is 74, and the rest can be gone on with."""
    finished(start("train", "short.yaml", "--run", "whole", "--threads", "1"))
    times = count("3")
    for number in range(times):
        run = Path(f"run{number}")
        before = LIMITED.replace("NUMBER", str(number)).replace("TIMES", str(times))
        process = start("train", "short.yaml", "--run", str(run), "--threads", "1", before=before)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 74, err
        assert "Traceback" not in err
        assert step_of(run) == 5
        assert not list(run.glob(".*.tmp")) or number == 0
        if number % 10 == 0:
            finished(start("train", "short.yaml", "--run", str(run), "--resume", "--threads", "2"))
            assert (run / "metrics.jsonl").read_bytes() == Path("whole/metrics.jsonl").read_bytes()
        tried("3", 1)


MPIEXEC = Path(sys.executable).parent / "mpiexec"


@pytest.mark.parametrize("name", NETWORKS if RELEASE else ["batch norm", "dropout"])
def test_ranks(name: str, folder: Path, tried: Note) -> None:
    rng = np.random.default_rng(0)
    np.savez("data.npz", images=rng.integers(0, 256, (300, 6, 6), dtype=np.uint8), labels=np.arange(300) % 3)
    Path("net.yaml").write_text(f"{HEAD.replace('40', '128')}model: {NETWORKS[name]}\n")
    for ranks in (1, 2, 3, 4):
        command = [MPIEXEC, "-n", str(ranks), *RUN, "train", "net.yaml", "--run", str(ranks), "--threads", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        for file in FILES:
            assert Path(str(ranks), file).read_bytes() == Path("1", file).read_bytes(), file
        tried("8", ranks > 1)


def test_places_that_cannot_be_written(folder: Path, readonly: Path, tried: Note) -> None:
    environment = dict(os.environ)
    cases: list[tuple[list[str], Path, dict[str, str | None], int, str]] = [
        (["train", "short.yaml", "--run", str(readonly / "run")], folder, {}, 73, "readonly/run"),
        (["train", "short.yaml", "--run", str(readonly / "trained"), "--resume"], folder, {}, 73, "readonly/trained"),
        (["train", "short.yaml"], readonly, {}, 73, "error: runs: cannot be written: Read-only file system"),
        (["train", str(readonly / "short.yaml"), "--run", "a"], folder, {}, 0, ""),
        (["eval", str(readonly / "trained"), "--data", "data.npz"], folder, {}, 0, ""),
        (["eval", "trained", "--data", "data.npz", "--predictions", str(readonly / "p")], folder, {}, 73, "readonly/p"),
        (["train", "short.yaml", "--run", "b"], folder, {"HOME": None, "XDG_CACHE_HOME": str(readonly)}, 0, ""),
        (["train", "short.yaml", "--run", "c"], folder, {"TMPDIR": "/none", "HOME": "/none"}, 0, ""),
    ]  # fmt: skip
    for args, where, changed, code, message in cases:
        known = {key: value for key, value in (environment | changed).items() if value is not None}
        done = subprocess.run([*RUN, *args], cwd=where, env=known, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, (args, done.stderr)
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        tried("19", 1)


INJECTED = {
    "input": "network.x[0, 0, 0, 0, 3] = VALUE",
    "weight": "network.theta[3] = VALUE",
    "gradient": "hooks.append(lambda: network.grad.__setitem__(3, VALUE))",
    "loss": "hooks.append(lambda: network.loss.losses.__setitem__(0, VALUE))",
}


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "-float('inf')"])
@pytest.mark.parametrize("where", INJECTED)
def test_numbers_that_end(where: str, value: str, folder: Path, tried: Note) -> None:
    """Training ends with 76 before the update; the last checkpoint and the state that led there have numbers."""
    before = f"""
from cnncli.network import Network
import cnncli.training
forward, backward, mean_loss = Network.forward, Network.backward, Network.mean_loss
hooks = []
def forwarded(network, training=False, step=0):
    hooks.clear()
    if training and step == 9:
        {INJECTED[where].replace("VALUE", value)}
    forward(network, training, step)
def with_loss(network):
    if {where == "loss"}:
        [hook() for hook in hooks]
    return mean_loss(network)
def with_gradient(network):
    backward(network)
    [hook() for hook in hooks]
Network.forward, Network.backward, Network.mean_loss = forwarded, with_gradient, with_loss
"""
    process = start("train", "short.yaml", "--run", "run", "--threads", "1", before=before)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 76, err
    assert "in epoch 2, step 10: training diverged" in err
    assert step_of(Path("run")) == 9
    arrays = load(Path("run/last.npz")).arrays
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert Path("run/diverged.npz").exists()
    tried("22", 1)


def _tree(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns} {state.st_mode}".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_a_thousand_images_of_which_half_are_damaged(folder: Path, tried: Note) -> None:
    for seed in range(count("23")):
        rng, root = np.random.default_rng(seed), folder / f"photos{seed}"
        damages = list(DAMAGES)
        kinds = rng.permutation([*range(len(damages))] * 50 + [-1] * 500)
        bad = set()
        for number, kind in enumerate(kinds):
            path = root / "abc"[number % 3] / f"{number:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (12, 12), np.uint8)).save(path)
            if kind >= 0:
                DAMAGES[damages[kind]](path)
                bad.add(str(path))
        before = _tree(root)
        config = f"data: {{train: {root}, on_error: skip, max_bad: 0.6, image: {{size: [12, 12], channels: 1}}}}\n"
        Path("photos.yaml").write_text(
            config + "model: [{linear: {out_features: 3}}]\ntrain: {epochs: 1, report: false}\n"
        )
        refused = subprocess.run([*RUN, "train", "photos.yaml", "data.on_error=stop"], capture_output=True, text=True)
        assert refused.returncode == 65
        assert "Traceback" not in refused.stderr
        process = start("train", "photos.yaml", "--run", f"of{seed}")
        finished(process)
        skipped = {line.split(",")[1] for line in Path(f"of{seed}/skipped.csv").read_text().splitlines()[1:]}
        assert skipped == bad
        assert _tree(root) == before
        tried("23", 1)


def _cut(share: float) -> Callable[[Path], object]:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at/all.png")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": _cut(0),
    "header alone": _cut(0.1),
    "half": _cut(0.5),
    "nearly whole": _cut(0.8),
    "one byte changed": _flip,
    "text": lambda path: path.write_text("<html>not found</html>"),
    "zeros": lambda path: path.write_bytes(bytes(500)),
    "dead link": _link,
    "another format": lambda path: path.write_bytes(b"II*\0" + bytes(100)),
    "huge": lambda path: Image.new("1", (6000, 6000)).save(path),
}

SHELL = {  # exit code of the whole line; what is read of it
    "CNN train short.yaml --run r1 | head -0": 0,
    "CNN predict --list list.txt --checkpoint t | head -1": 0,
    "CNN eval t --data data.npz --json | head -c 1": 0,
    "CNN eval t --data data.npz >/dev/full": 74,
    "CNN predict --list list.txt --checkpoint t >/dev/full": 74,
    "CNN train short.yaml --run r2 >/dev/full": 74,
    "CNN train short.yaml --run r3 2>/dev/full": 0,
    "CNN train short.yaml --run r4 >&-": 0,
    "CNN train short.yaml --run r5 2>&-": 0,
    "CNN train short.yaml --run r6 <&- >&- 2>&-": 0,
    "CNN predict - --checkpoint t <&-": 65,
    "CNN predict - --checkpoint t </dev/null": 65,
    "CNN predict --list - --checkpoint t </dev/null": 65,
    'env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" CNN eval t --data data.npz': 0,
    "env -u HOME CNN train short.yaml --run r7": 0,
    "LC_ALL=C CNN predict $'caf\\xe9.png' --checkpoint t": 0,
    "CNN predict $'two\\nlines.png' --checkpoint t": 0,
    "CNN predict LONG --checkpoint t": 0,
    "CNN train short.yaml --run $'r\\xff8'": 0,
    "CNN train LONG.yaml": 66,
}


@pytest.mark.parametrize("line", SHELL)
def test_odd_pipes_and_names(line: str, folder: Path, tried: Note) -> None:
    finished(start("train", "short.yaml", "train.epochs=1", "--run", "t"))
    deep = Path("a" * 100, "b" * 100, "c" * 90)
    deep.mkdir(parents=True)
    image = Image.fromarray(np.zeros((6, 6), np.uint8))
    for name in (os.fsdecode(b"caf\xe9.png"), "two\nlines.png", str(deep / "long.png")):
        image.save(name)
    Path("list.txt").write_text("two.png\n" * 3)
    image.save("two.png")
    command = line.replace("LONG", str(deep / "long.png")).replace("CNN", shlex.join(RUN))
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, timeout=60)
    assert done.returncode == SHELL[line], done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    tried("24", 1)
