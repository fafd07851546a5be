"""What this process may use of the machine: threads and memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cnncli.errors import SpecError

MAX_MEMORY = "CNN_MAX_MEMORY"
PROCESS, GROUPS = Path("/proc/self"), Path("/sys/fs/cgroup")


def threads(wanted: int | None = None, sharing: int = 1) -> int:
    """Threads for the kernels: `wanted` if given, else what this process has been granted.

    The least of Slurm's allocation, ``OMP_NUM_THREADS``, the processors this process may run on, and the control
    group's quota; never the number of processors of the machine. Processors and quota are divided between `sharing`
    processes.
    """
    if wanted is not None:
        return max(1, wanted)
    limits = [processors() // sharing]
    for name in ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "").partition(",")[0]
        if value.isdigit() and int(value) > 0:
            limits.append(int(value))
    quota = _quota()
    if quota:
        limits.append(quota // sharing)
    return max(1, min(limits))


def memory() -> int:
    """Bytes of memory of this machine, or that a control group grants."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _control_groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):  # of version 2 and 1
            with suppress(OSError, ValueError):  # the word "max" where there is no limit
                limits.append(int((folder / name).read_text(encoding="ascii")))
    return min(limits)


def memory_limit() -> int:
    """Bytes that this process may ask for: ``CNN_MAX_MEMORY``, such as 8GB, or four fifths of the memory.

    Raises
    ------
    SpecError
        The variable says no amount.
    """
    text = os.environ.get(MAX_MEMORY)
    if not text:
        return int(0.8 * memory())
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)B?\s*", text)
    if not match:
        raise SpecError(f"{MAX_MEMORY}={text}: must be an amount of memory such as 8GB or 500MB")
    return int(float(match[1]) * 1000 ** " kMGT".index(match[2] or " "))


def has_spare(used: int) -> bool:
    """Whether this process has been granted a processor beside those of `used` threads."""
    return threads() > used


def processors() -> int:
    """How many processors this process may run on."""
    return len(affinity())


def affinity() -> set[int]:
    """The processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _quota() -> int | None:
    """Whole processors that control groups grant, rounded up."""
    found = []
    for folder in _control_groups("cpu"):
        for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):  # of version 2 and 1
            with suppress(OSError, ValueError):
                limit, period = map(int, " ".join((folder / name).read_text() for name in names).split())
                if limit > 0:
                    found.append(-(-limit // period))
    return min(found, default=None)


def _control_groups(controller: str) -> Iterator[Path]:
    """The folders of the groups this process belongs to, as far as they are seen from here, and of those above them."""
    try:
        lines = (PROCESS / "cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            folder = GROUPS / controllers  # version 2 has one tree for all
            own = folder / path.lstrip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(folder))
