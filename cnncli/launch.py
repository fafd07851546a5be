"""How this process was started, alone or by MPI as one of several; and how that ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache

from cnncli import runtime
from cnncli.errors import SpecError
from cnncli.process_group import ALONE, ProcessGroup

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")  # how launchers say it


def launched(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether MPI has started several processes, of which this is one; tasks of Slurm alone are no group."""
    sizes = SIZES if "PMIX_RANK" in environ else SIZES[:-1]
    return any(environ.get(name, "").isdigit() and int(environ[name]) > 1 for name in sizes)


@cache
def join() -> ProcessGroup:
    """The group of all processes that were started together.

    Raises
    ------
    SpecError
        There are several, and mpi4py is missing or finds no MPI.
    """
    if not launched():
        return ALONE
    try:
        import mpi4py

        mpi4py.rc(thread_level="funneled")
        from mpi4py import MPI

        from cnncli.mpi import MpiGroup
    except (ImportError, RuntimeError) as error:
        raise SpecError(
            f"several processes need mpi4py and the MPI they were started by: pip install 'cnncli[mpi]' ({error})"
        ) from None
    if MPI.COMM_WORLD.size == 1:
        raise SpecError("mpiexec has started several processes, but mpi4py works with another MPI: each is alone")
    return MpiGroup(MPI.COMM_WORLD)


def threads(wanted: int | None = None) -> int:
    """Threads for the kernels of this process; as `runtime.threads`, beside others of its group on this machine."""
    return runtime.threads(wanted, join().sharing(runtime.affinity()))


def others_are_gone(error: BaseException) -> bool:
    """Whether an error says that the processes of a group cannot reach one another any more."""
    return "mpi4py.MPI" in sys.modules and isinstance(error, sys.modules["mpi4py.MPI"].Exception)
