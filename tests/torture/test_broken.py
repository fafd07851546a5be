"""A program whose sums depend on threads: comparing runs must see it, else it proves nothing.

Other programs that are broken on purpose stand beside what must see them: test_power.py, test_saving.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import start
from test_saving import finished

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
