"""Programs whose sums depend on threads or processes: comparing runs must see it, else it proves nothing.

Other programs that are broken on purpose stand beside what must see them: test_power.py, test_saving.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_constancy
import test_memory
import test_parsers
import test_saving
import test_surroundings
from conftest import start
from test_parsers import FUZZ
from test_power import IN_PLACE
from test_saving import finished
from test_surroundings import MPIEXEC

from cnncli.checkpoint import load
from cnncli.errors import CheckpointError
from cnncli.preprocessing import Preprocessing

DEPENDS_ON_THREADS = """
from cnncli.network import Network
backward = Network.backward
def by_threads(self):
    backward(self)
    if self.threads > 1:
        self.grad *= 1 + 2e-7
Network.backward = by_threads
"""


@pytest.mark.parametrize(("broken", "seen"), [("", False), (DEPENDS_ON_THREADS, True)])
def test_sums_that_depend_on_threads_are_seen(broken: str, seen: bool, folder: Path) -> None:
    for threads in ("1", "2"):
        finished(start("train", "short.yaml", "--run", threads, "--threads", threads, before=broken))
    one, other = (load(Path(run, "last.npz")).arrays for run in ("1", "2"))
    assert any(not np.array_equal(array, other[name]) for name, array in one.items()) == seen


BY_RANK = """
from cnncli.mpi import MpiGroup
add = MpiGroup.add
MpiGroup.add = lambda group, vector, order: add(group, vector, [(0, rank) for rank in range(1, group.size)])
"""


@pytest.mark.parametrize(("broken", "seen"), [("", False), (BY_RANK, True)])
def test_sums_in_the_order_of_processes_are_seen(broken: str, seen: bool, folder: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez("data.npz", images=rng.integers(0, 256, (200, 6, 6), dtype=np.uint8), labels=np.arange(200) % 3)
    for ranks in (1, 4):
        code = f"import sys\nfrom cnncli import cli\n{broken}\nsys.argv[1:] = sys.argv[2:]\ncli.main()"
        command = [MPIEXEC, "-n", str(ranks), sys.executable, "-c", code, "-", "train", "short.yaml"]
        options = ["train.batch_size=128", "train.epochs=3", "--run", str(ranks), "--threads", "1"]
        subprocess.run([*command, *options], check=True, timeout=100)
    one, other = (load(Path(run, "last.npz")).arrays for run in ("1", "4"))
    assert any(not np.array_equal(array, other[name]) for name, array in one.items()) == seen


FORGETFUL = """
from cnncli.experiment import Experiment
restore = Experiment.restore
def forgetting(self, stored):
    told = restore(self, stored)
    self.trainer._sampler._seed += 1
    return told
Experiment.restore = forgetting
"""
SLOWLY_IN_PLACE = IN_PLACE.replace("file.write(chunk)", "file.write(chunk), __import__('time').sleep(0.002)")
SILENT = """
from contextlib import suppress
from cnncli.session import Session
save = Session._save
def silent(self, best):
    with suppress(Exception):
        save(self, best)
Session._save = silent
"""
SPENDTHRIFT = "cli._as_known = lambda error: None\n"
UNLOCKED = "import fcntl\nfcntl.flock = lambda *_: None\n"
BLIND = """
from cnncli import _fast
import math, cnncli.training
kernels = _fast.kernels
def blind(*args):
    found = kernels(*args)
    update = found.update
    class Blind:
        finite = staticmethod(lambda array: True)
        def __getattr__(self, name):
            return getattr(update, name)
    found.update = Blind()
    return found
_fast.kernels = blind
"""
CHANGING = """
import os
from cnncli.datasets.base import Dataset
load = Dataset.load
def touching(self, *args):
    os.utime(self.names[0])
    return load(self, *args)
Dataset.load = touching
"""


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        (partial(test_surroundings.test_files_that_may_not_grow), IN_PLACE),
        (partial(test_saving.test_kill_at_random), SLOWLY_IN_PLACE),
        (partial(test_saving.test_chains_of_kills), FORGETFUL),
        (partial(test_constancy.test_resumes_of_resumes), FORGETFUL),
        (partial(test_constancy.test_bits_of_each_set_of_kernels, "direct", "baseline"), DEPENDS_ON_THREADS),
        (partial(test_memory.test_less_and_less_memory, "train"), SPENDTHRIFT),
        (partial(test_saving.test_a_full_disk), SILENT),
        (partial(test_saving.test_eight_at_once), UNLOCKED),
        (partial(test_saving.test_signals_at_random, test_saving.signal.SIGTERM), FORGETFUL),
        (partial(test_surroundings.test_numbers_that_end, "gradient", "float('nan')"), BLIND),
        (partial(test_surroundings.test_a_thousand_images_of_which_half_are_damaged), CHANGING),
    ],
    ids=lambda value: value.func.__name__ if isinstance(value, partial) else "",
)
def test_a_broken_program_fails_its_row(
    row: Callable[..., None], broken: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row's own test, with a program that breaks what it is about: the first thing it promises does not hold."""

    def start_broken(*args: str, before: str = "", **options: Any) -> subprocess.Popen[str]:
        return start(*args, before=broken + before, **options)

    for module in (test_constancy, test_memory, test_saving, test_surroundings):
        monkeypatch.setattr(module, "start", start_broken)
    with pytest.raises((AssertionError, CheckpointError)):
        row(folder=folder, tried=lambda *_: None)


UNKNOWN = [sys.executable, "-c", f"import sys\nfrom cnncli import cli\n{SPENDTHRIFT}sys.exit(cli.main())"]


def test_errors_that_nobody_knows_are_seen(folder: Path, readonly: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be written, and where what is printed cannot be."""
    monkeypatch.setattr(test_surroundings, "RUN", UNKNOWN)
    with pytest.raises(AssertionError):
        test_surroundings.test_places_that_cannot_be_written(folder, readonly, lambda *_: None)
    with pytest.raises(AssertionError):
        test_surroundings.test_odd_pipes_and_names("CNN eval t --data data.npz >/dev/full", folder, lambda *_: None)


def test_saves_in_place_are_seen_where_calls_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_saving, "saves", partial(test_saving.saves, before=IN_PLACE))
    calls = [("write", place) for place in range(2, 12)]
    with pytest.raises((AssertionError, CheckpointError)):
        test_saving.test_every_call_fails_once("ENOSPC", calls, tmp_path, lambda *_: None)


@pytest.mark.parametrize(
    ("bomb", "limits"),
    [
        ("flow.yaml", "from cnncli import yamlio; yamlio.MAX_DEPTH = 10**9"),
        ("blocks.yaml", "from cnncli import blocks; blocks.MAX_LAYERS = 10**15"),
    ],
)
def test_limits_that_are_not_kept_are_seen(
    bomb: str, limits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_parsers, "run", partial(test_parsers.run, before=limits))
    with pytest.raises((AssertionError, subprocess.TimeoutExpired)):
        test_parsers.test_bombs(bomb, tmp_path, lambda *_: None)


def test_older_checkpoints_that_are_read_wrongly_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their pixels are no longer normalised."""
    known = Preprocessing.from_dict
    plain = {"mean": [0.0], "std": [1.0]}
    monkeypatch.setattr(Preprocessing, "from_dict", lambda values: known(values | plain))
    for path in sorted(test_constancy.HERE.glob("formats/*.npz")):
        with pytest.raises(AssertionError):
            test_constancy.test_checkpoints_of_older_versions(path, lambda *_: None)


@pytest.mark.parametrize(
    "reader", ["{}['a']", "__import__('time').sleep(9)", "bytes(2**30)", "__import__('os').abort()"]
)
@pytest.mark.parametrize("row", ["11", "12", "13", "14"])
def test_bad_readers_are_seen(row: str, reader: str, tmp_path: Path) -> None:
    """One that raises what it likes, that hangs, that takes all memory, that crashes."""
    lines = f"import sys\nimport fuzz\nfuzz.KINDS[{row!r}] = lambda *_: lambda: {reader}\nfuzz.main()"
    command = [sys.executable, "-c", lines, row, "0", "1"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(FUZZ.parent), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    assert done.returncode != 0
