"""``cnn predict`` with processes that share the work: the same bytes, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cnn, start

from cnncli import prediction
from cnncli.model import Model

MANY = "from cnncli import prediction\nprediction.ALONE = -1\n"  # processes help from the second image on


@pytest.mark.parametrize("workers", ["0", "1", "3"])
@pytest.mark.parametrize("at_once", [5, 100], ids=["large", "small"])
@pytest.mark.parametrize("alone", [-1, 0], ids=["one by one", "some at once"])
def test_workers_change_no_byte(
    cnn: Cnn, trained: Path, digits: Path, workers: str, at_once: int, alone: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of large networks they decode only, of small ones they compute the scores too."""
    (digits / "0/1.png").write_text("no image")
    whole = cnn("predict", "digits", "digits", "digits", "--csv").out
    monkeypatch.setattr(prediction, "ALONE", alone)
    monkeypatch.setattr(prediction, "MOST_AT_ONCE", 4)
    monkeypatch.setattr(Model, "at_once", at_once)
    assert cnn("predict", "digits", "digits", "digits", "--csv", "--workers", workers).out == whole


def test_standard_input_is_read_by_the_command_itself(trained: Path, digits: Path) -> None:
    """While processes help, whose own standard input is empty."""
    paths = ["digits/0/0.png", "digits/1/1.png", "-", "digits/2/2.png"]
    Path("list.txt").write_text("\n".join(paths))
    outs = []
    for names in (
        ["digits/0/0.png", "digits/1/1.png", "digits/2/2.png", "digits/2/2.png"],
        paths,
        ["--list", "list.txt"],
    ):
        with open("digits/2/2.png", "rb") as stdin:
            process = start("predict", *names, "--workers", "2", "--csv", script=MANY, stdin=stdin)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        outs.append([line.split(",", 1)[1] for line in out.splitlines()])
    assert outs[0] == outs[1] == outs[2]


def children(process: subprocess.Popen[str]) -> list[int]:
    """Processes that a process has made; waits until there are some."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (found := listing.read_text().split()):
        assert process.poll() is None
    return list(map(int, found))


def gone(pids: list[int]) -> bool:
    """Whether processes end within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
    return False


@pytest.fixture
def asked(trained: Path, digits: Path) -> Iterator[subprocess.Popen[str]]:
    """A command that has answered two images, with the help of processes, and waits for the next path."""
    with start("predict", "--list", "-", "--workers", "2", script=MANY, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for path in ("digits/0/0.png", "digits/1/1.png"):
            process.stdin.write(f"{path}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(path)
        yield process


@pytest.mark.skipif(sys.platform != "linux", reason="children are told by /proc")
def test_processes_that_help_end_with_the_command(asked: subprocess.Popen[str]) -> None:
    helpers = children(asked)
    assert len(helpers) == 2
    for pid in helpers:  # as Ctrl-C does to all; what it means is the command's
        os.kill(pid, signal.SIGINT)
    assert asked.stdin is not None
    assert asked.stdout is not None
    asked.stdin.write("digits/2/2.png\n")
    asked.stdin.flush()
    assert asked.stdout.readline().startswith("digits/2/2.png")
    asked.kill()
    assert gone(helpers)


@pytest.mark.skipif(sys.platform != "linux", reason="children are told by /proc")
def test_processes_that_were_killed_are_told_of(asked: subprocess.Popen[str]) -> None:
    helpers = children(asked)
    for pid in helpers:
        os.kill(pid, signal.SIGKILL)
    out, err = asked.communicate("digits/2/2.png\n", timeout=60)
    assert asked.returncode == 74
    assert out == ""
    assert err.splitlines()[1:] == [
        "error: a process that helps has ended, perhaps for want of memory; --workers 0 does without"
    ]
    assert gone(helpers)
