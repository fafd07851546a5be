"""How many threads are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnncli import runtime


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


@pytest.mark.parametrize(
    ("text", "quota"), [("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", None)]
)
def test_quota(text: str, quota: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert runtime._quota() == quota


def test_no_control_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert runtime._quota() is None


def test_this_process_may_use_what_it_was_granted() -> None:
    assert 1 <= runtime.threads() <= runtime.processors()
