"""``cnn predict`` with processes that share the work: the same bytes, and none is left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn, start
from PIL import Image

from cnncli import prediction
from cnncli.model import BATCH, Model

MANY = "from cnncli import prediction\nprediction.ALONE = -1\n"  # processes help from the second image on


@pytest.fixture
def mixed(digits: Path) -> Path:
    """Images, one of which is none and one of which has 16 bits."""
    (digits / "0/1.png").write_text("no image")
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * np.uint16(1023)).save(digits / "0/2.png")
    return digits


@pytest.mark.parametrize("workers", ["0", "1", "2", "3"])
@pytest.mark.parametrize("at_once", [5, 100], ids=["large", "small"])
@pytest.mark.parametrize("alone", [-1, 0], ids=["one by one", "some at once"])
@pytest.mark.parametrize("views", [(), ("--tta", "flip")], ids=["", "views"])
def test_workers_change_no_byte(
    cnn: Cnn,
    trained: Path,
    mixed: Path,
    workers: str,
    at_once: int,
    alone: float,
    views: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of large networks they decode only; of small ones they compute too, where they are as many as threads."""
    asked = ("predict", *["digits"] * 3, "--csv", "--threads", "2", *views)
    whole = cnn(*asked, "--workers", "0").out
    monkeypatch.setattr(prediction, "ALONE", alone)
    monkeypatch.setattr(prediction, "MOST_AT_ONCE", 4)
    monkeypatch.setattr(Model, "at_once", at_once)
    assert cnn(*asked, "--workers", workers).out == whole


def test_no_image_knows_of_the_others(cnn: Cnn, trained: Path, mixed: Path) -> None:
    """Not even where one has 16 bits."""
    rows = cnn("predict", "digits/0", "--csv").out.splitlines()[1:]
    assert len(rows) > 3
    alone = [cnn("predict", f"digits/0/{name}", "--csv").out.splitlines()[1] for name in sorted(os.listdir("digits/0"))]
    assert sorted(rows) == sorted(alone)


@pytest.mark.parametrize(
    ("threads", "workers", "at_once", "there"),
    [(2, 2, 100, True), (2, 2, 64, False), (2, 1, 100, False), (1, 2, 100, False), (2, 3, 100, False)],
)
def test_who_computes(
    trained: Path,
    digits: Path,
    threads: int,
    workers: int,
    at_once: int,
    there: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Processes, as many as threads are to be used, with one each; or else this one, with all its threads."""

    def scores(self: Model, images: np.ndarray, _: object) -> np.ndarray:
        return np.full((len(images), 3), [os.getpid(), self.threads, self.network(BATCH).threads], np.float32)

    monkeypatch.setattr(prediction, "ALONE", -1)
    monkeypatch.setattr(Model, "at_once", at_once)
    monkeypatch.setattr(Model, "scores", scores)
    model = Model.load(trained, threads)
    model.network(BATCH)
    paths = sorted(map(str, digits.glob("0/*.png")))
    rows = list(chain.from_iterable(prediction.predictions(model, paths, lambda path: path, workers)))
    found = {tuple(row.scores.astype(int)) for row in rows[1:] if row.scores is not None}
    own = {(os.getpid(), threads, threads)}
    if there:
        assert {each[1:] for each in found} == {(1, 1)}
        assert not found & own
    else:
        assert found == own


def test_where_no_process_can_be_made(cnn: Cnn, trained: Path, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("predict", "digits", "--csv", "--threads", "2", "--workers")
    whole = cnn(*asked, "0").out

    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(prediction, "ALONE", -1)
    monkeypatch.setattr(os, "fork", fork)
    assert cnn(*asked, "2").out == whole


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
