"""How many threads are used, and how much memory there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnncli import runtime
from cnncli.errors import SpecError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Eight processors, no quota, no hints in the environment."""
    monkeypatch.setattr(runtime, "processors", lambda: 8)
    monkeypatch.setattr(runtime, "_quota", lambda: None)
    for name in ("SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_what_is_asked_for_is_taken(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("OMP_NUM_THREADS", "2")
    assert runtime.threads(5) == 5
    assert runtime.threads(100) == 100


def test_all_processors_by_default(machine: pytest.MonkeyPatch) -> None:
    assert runtime.threads() == 8


@pytest.mark.parametrize("name", ["SLURM_CPUS_PER_TASK", "OMP_NUM_THREADS"])
@pytest.mark.parametrize(
    ("value", "count"), [("3", 3), ("3,2", 3), ("16", 8), ("0", 8), ("", 8), ("many", 8), ("-2", 8)]
)
def test_environment(machine: pytest.MonkeyPatch, name: str, value: str, count: int) -> None:
    machine.setenv(name, value)
    assert runtime.threads() == count


def test_the_least_of_all(machine: pytest.MonkeyPatch) -> None:
    machine.setenv("SLURM_CPUS_PER_TASK", "6")
    machine.setenv("OMP_NUM_THREADS", "5")
    assert runtime.threads() == 5
    machine.setattr(runtime, "_quota", lambda: 4)
    assert runtime.threads() == 4


def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str]) -> None:
    """A machine with these control groups."""
    monkeypatch.setattr(runtime, "PROCESS", tmp_path / "proc")
    monkeypatch.setattr(runtime, "GROUPS", tmp_path / "sys")
    for name, text in {"proc/cgroup": membership, **{f"sys/{name}": text for name, text in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize(
    ("text", "quota"), [("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", None)]
)
def test_quota(text: str, quota: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups(tmp_path, monkeypatch, "0::/\n", {"cpu.max": text})
    assert runtime._quota() == quota


def test_groups_within_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Slurm makes them: the least of the job's and its step's."""
    limits = {"memory.max": "max\n", "cpu.max": "400000 100000\n"}
    step = {"memory.max": "9000000\n", "cpu.max": "300000 100000\n"}
    files = limits | {f"job/{name}": text for name, text in limits.items() if name == "cpu.max"}
    files |= {"job/memory.max": "7000000\n"} | {f"job/step/{name}": text for name, text in step.items()}
    groups(tmp_path, monkeypatch, "0::/job/step\n", files)
    assert (runtime.memory(), runtime._quota()) == (7_000_000, 3)


def test_version_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "memory/a/memory.limit_in_bytes": "5000000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
    }  # fmt: skip
    groups(tmp_path, monkeypatch, "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/\n", files)
    assert (runtime.memory(), runtime._quota()) == (5_000_000, 3)


def test_no_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PROCESS", tmp_path)
    assert runtime._quota() is None
    assert runtime.memory() > 2**26


def test_this_process_may_use_what_it_was_granted() -> None:
    assert 1 <= runtime.threads() <= runtime.processors()


@pytest.mark.parametrize(
    ("text", "limit"), [("8GB", 8e9), ("500 MB", 5e8), ("1.5G", 1.5e9), ("123456", 123456), ("2TB", 2e12), ("4kB", 4e3)]
)
def test_the_limit_that_is_asked_for(text: str, limit: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNN_MAX_MEMORY", text)
    assert runtime.memory_limit() == limit


def test_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CNN_MAX_MEMORY", raising=False)
    assert runtime.memory_limit() == int(0.8 * runtime.memory())
    for text in ("lots", "-1GB", "1e9"):
        monkeypatch.setenv("CNN_MAX_MEMORY", text)
        with pytest.raises(SpecError, match="must be an amount of memory such as 8GB"):
            runtime.memory_limit()
