"""Programs whose sums depend on threads or processes: comparing runs must see it, else it proves nothing.

Other programs that are broken on purpose stand beside what must see them: test_power.py, test_saving.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import start
from test_saving import finished
from test_surroundings import MPIEXEC

from cnncli.checkpoint import load

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
