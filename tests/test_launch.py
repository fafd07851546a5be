"""How a process knows that it is one of several."""

from __future__ import annotations

import sys

import pytest

from cnncli import launch
from cnncli.errors import SpecError
from cnncli.process_group import ALONE


@pytest.mark.parametrize(
    ("environ", "several"),
    [
        ({}, False),
        ({"PMI_SIZE": "1"}, False),
        ({"PMI_SIZE": "2"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, True),
        ({"SLURM_STEP_NUM_TASKS": "4"}, False),  # srun without MPI: copies that know nothing of each other
        ({"SLURM_STEP_NUM_TASKS": "4", "PMIX_RANK": "0"}, True),
        ({"PMI_SIZE": "many"}, False),
    ],
)
def test_launchers_are_known_by_their_variables(environ: dict[str, str], several: bool) -> None:
    assert launch.launched(environ) is several


def test_without_a_launcher_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert launch.join.__wrapped__() is ALONE


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(SpecError, match=r"several processes need mpi4py.*pip install 'cnncli\[mpi\]'"):
        launch.join.__wrapped__()
