"""Saves that are killed or fail at any system call, trainings that are killed at any moment, disks that are full."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import TELLING, start
from counts import count

from cnncli.checkpoint import load
from cnncli.runs import RunFolder

Note = Callable[[str, int], None]

# the first save, another, a rotation, a new best
SAVES = """
import sys
from pathlib import Path
import numpy as np
from cnncli.errors import CnnError
from cnncli.runs import RunFolder
run = RunFolder.open(Path(sys.argv[1]), warn=lambda text: None)
print("opened", flush=True)
for number, best in enumerate((True, False, False, True)):
    try:
        run.save_checkpoint({"a": np.full(300, number, np.float32)}, {"number": number}, best)
        print(f"saved {number}", flush=True)
    except CnnError as error:
        print(f"failed {number} {error.exit_code}", flush=True)
"""
CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,renameat2,link,linkat,unlink,unlinkat,ftruncate"


def saves(run: Path, *options: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The script under strace, in a folder that is new, after lines of Python."""
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    return subprocess.run(
        ["strace", "-qq", *options, sys.executable, "-c", before + SAVES, str(run)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int]]:
    """The system calls that the saves make, each with its number among those of its name in the whole process."""
    folder = tmp_path_factory.mktemp("calls")
    saves(folder / "run", "-o", str(folder / "log"), "-e", f"trace={CALLS}")
    seen: Counter[str] = Counter()
    found: list[tuple[str, int]] = []
    within = False
    for line in (folder / "log").read_text().splitlines():
        if match := re.match(r"(\w+)\(", line):
            seen[match[1]] += 1
            if within:
                found.append((match[1], seen[match[1]]))
            within = ('"opened' in line or within) and '"saved 3' not in line
    assert len(found) > 40
    return found


def newest(run: Path) -> int:
    """The number of the newest checkpoint that loads, -1 where there is none."""
    with RunFolder.open(run) as folder:
        found, _ = folder.newest_valid()
    return -1 if found is None else int(found.meta["number"])


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_death_at_every_call(calls: list[tuple[str, int]], tmp_path: Path, tried: Note) -> None:
    for name, place in calls:
        injected = f"inject={name}:signal=SIGKILL:when={place}"
        done = saves(tmp_path / "run", "-o", "/dev/null", "-e", f"trace={name}", "-e", injected)
        assert done.returncode in (-9, 137), done.stderr
        told = [int(number) for number in re.findall(r"saved (\d)", done.stdout)]
        assert newest(tmp_path / "run") >= max(told, default=-1), f"killed at {name} {place}"
        tried("1", 1)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT", "EACCES"])
def test_every_call_fails_once(error: str, calls: list[tuple[str, int]], tmp_path: Path, tried: Note) -> None:
    for name, place in calls:
        injected = f"inject={name}:error={error}:when={place}"
        done = saves(tmp_path / "run", "-o", "/dev/null", "-e", f"trace={name}", "-e", injected)
        told = [int(number) for number in re.findall(r"saved (\d)", done.stdout)]
        assert newest(tmp_path / "run") >= max(told, default=-1), f"{error} at {name} {place}"
        assert all(code in ("73", "74") for code in re.findall(r"failed \d (\d+)", done.stdout))
        lost = name == "write" and done.stderr.strip().rpartition("\n")[2].startswith(("OSError", "PermissionError"))
        assert len(told) + done.stdout.count("failed") == 4 or lost, done.stderr
        tried("2", 1)


def step_of(run: Path) -> int:
    with RunFolder.open(run) as folder:
        found, _ = folder.newest_valid()
    return 0 if found is None else int(found.meta["progress"]["step"])


def finished(process: subprocess.Popen[str]) -> None:
    """Wait for a training that must end well."""
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def killed(process: subprocess.Popen[str], dice: random.Random, longest: float) -> int:
    """Kill a training, mostly some time after its first save; returns the last step that it told of as saved."""
    assert process.stdout is not None
    with process:
        if dice.random() < 0.8:
            first = process.stdout.readline()
        else:  # also before it
            first = ""
            time.sleep(dice.uniform(0, 0.4))
        time.sleep(dice.uniform(0, longest))
        process.kill()
        out = first + process.stdout.read()
    return max(map(int, re.findall(r"saved (\d+)\n", out)), default=0)


def test_kill_at_random(folder: Path, tried: Note) -> None:
    dice, most = random.Random(0), 0
    for number in range(count("4")):
        if number % 40 == 0:
            shutil.rmtree("run", ignore_errors=True)
            most = 0
        process = start("train", "c.yaml", "--run", "run", "--resume", "--threads", "1", before=TELLING)
        most = max(most, killed(process, dice, 0.4))
        if Path("run").exists():
            assert step_of(Path("run")) >= most
        tried("4", 1)
    assert most


def test_chains_of_kills(folder: Path, tried: Note) -> None:
    whole = start("train", "short.yaml", "--run", "whole", "--threads", "1")
    finished(whole)
    wanted = load(Path("whole/last.npz")).arrays
    for chain in range(count("5")):
        dice, run = random.Random(chain), Path(f"run{chain}")
        for _ in range(10):
            threads = str(1 + chain % 2)
            process = start("train", "short.yaml", "--run", str(run), "--resume", "--threads", threads, before=TELLING)
            killed(process, dice, 0.05)
        last = start("train", "short.yaml", "--run", str(run), "--resume")
        finished(last)
        for name, array in load(run / "last.npz").arrays.items():
            np.testing.assert_array_equal(array, wanted[name])
        for name in ("results.csv", "metrics.jsonl"):
            assert (run / name).read_bytes() == Path("whole", name).read_bytes()
        tried("5", 1)


def test_chains_find_forgotten_random_numbers(folder: Path) -> None:
    """After a resume the order of images is drawn anew, as where the state of a generator is not stored."""
    for run in ("whole", "run"):
        finished(start("train", "short.yaml", f"train.epochs={12 if run == 'whole' else 2}", "--run", run))
    drawn_anew = (
        "import cnncli.random as r; key = r.key; r.key = lambda seed, part: key(seed + (part == r.SHUFFLE), part)"
    )
    for before, same in ((drawn_anew, False), ("", True)):
        shutil.copytree("run", f"resumed{same}")
        finished(start("train", "short.yaml", "--run", f"resumed{same}", "--resume", before=before))
        assert (Path(f"resumed{same}/metrics.jsonl").read_bytes() == Path("whole/metrics.jsonl").read_bytes()) is same


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT], ids=lambda s: s.name)
def test_signals_at_random(number: signal.Signals, folder: Path, tried: Note) -> None:
    whole = start("train", "short.yaml", "--run", "whole", "--threads", "1")
    finished(whole)
    dice, stopped = random.Random(int(number)), 0
    for attempt in range(count("21") // 3):
        run = Path(f"run{attempt}")
        process = start("train", "short.yaml", "--run", str(run), "--threads", "1", before=TELLING)
        if attempt % 4:  # after so many saves, however fast the machine is
            assert process.stdout is not None
            for _ in range(dice.randrange(1, 50)):
                process.stdout.readline()
            time.sleep(dice.uniform(0, 0.01))
        else:  # by then the signals have their handlers, or nothing is begun
            time.sleep(dice.uniform(0.35, 0.8))
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode in (0, 75, 130, -number), err
        assert "Traceback" not in err or process.returncode in (130, -number)
        if process.returncode == 75:
            assert step_of(run) > 0
            stopped += 1
        last = start("train", "short.yaml", "--run", str(run), "--resume")
        finished(last)
        assert (run / "metrics.jsonl").read_bytes() == Path("whole/metrics.jsonl").read_bytes()
        tried("21", 1)
    assert stopped


def test_a_full_disk(folder: Path, tried: Note) -> None:
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    try:
        whole = start("train", "short.yaml", "--run", "whole", "--threads", "1")
        finished(whole)
        for attempt in range(count("18")):
            run = disk / f"run{attempt}"
            first = start("train", "short.yaml", "train.epochs=2", "--run", str(run))
            finished(first)
            before = step_of(run)
            room = (run / "last.npz").stat().st_size - 1  # for the logs, not for a checkpoint
            (disk / "filler").write_bytes(b"x" * (shutil.disk_usage(disk).free - room))
            full = start("train", "short.yaml", "--run", str(run), "--resume")
            _, err = full.communicate()
            assert full.returncode == 74, err
            assert "Traceback" not in err
            assert step_of(run) >= before
            (disk / "filler").unlink()
            last = start("train", "short.yaml", "--run", str(run), "--resume")
            finished(last)
            assert (run / "metrics.jsonl").read_bytes() == Path("whole/metrics.jsonl").read_bytes()
            shutil.rmtree(run)
            tried("18", 1)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_eight_at_once(folder: Path, tried: Note) -> None:
    for attempt in range(count("20")):
        line = ("train", "c.yaml", "train.epochs=1000000", "--run", f"run{attempt}", "--resume", "--threads", "1")
        many = [start(*line) for _ in range(8)]
        deadline = time.monotonic() + 20  # on a busy machine some have hardly begun when others have ended
        while sum(process.poll() is None for process in many) > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        codes = [process.poll() for process in many]
        for process in many:
            process.kill()
            process.communicate()
        assert sorted(code for code in codes if code is not None) == [77] * 7, codes
        tried("20", 1)
