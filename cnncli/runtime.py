"""What this process may use of the machine: threads and memory."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def threads(wanted: int | None = None) -> int:
    """Threads for the kernels: `wanted` if given, else what this process has been granted.

    The least of Slurm's allocation, ``OMP_NUM_THREADS``, the processors this process may run on, and the control
    group's quota; never the number of processors of the machine.
    """
    if wanted is not None:
        return max(1, wanted)
    limits = [processors()]
    for name in ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "").partition(",")[0]
        if value.isdigit() and int(value) > 0:
            limits.append(int(value))
    quota = _quota()
    if quota:
        limits.append(quota)
    return max(1, min(limits))


def memory() -> int:
    """Bytes of memory of this machine, or that the control group (version 2) grants."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # the word "max" where there is no limit
        limit = min(limit, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return limit


def has_spare(used: int) -> bool:
    """Whether this process has been granted a processor beside those of `used` threads."""
    return threads() > used


def processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota() -> int | None:
    """Whole processors that the control group (version 2) grants, rounded up."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return -(-int(limit) // int(period))
    except (OSError, ValueError):
        return None
