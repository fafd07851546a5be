"""Run folders: claimed once, held by one process, and never without a loadable checkpoint."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults import Death, failing

from cnncli import runs
from cnncli.checkpoint import load
from cnncli.errors import CheckpointError, IOFailure, MissingError, OutputError, RunInUse
from cnncli.runs import RunFolder, newest_best, newest_run, resolve_checkpoint

CHECKPOINTS = ("last.npz", "last.1.npz", "best.npz")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(run: RunFolder, epoch: int, best: bool = False) -> None:
    run.save_checkpoint({"weight": np.full(10, epoch, np.float32)}, {"epoch": epoch}, best)


def epochs(run: RunFolder) -> dict[str, int]:
    """The epoch of each checkpoint there is."""
    return {name: load(run.path / name).meta["epoch"] for name in CHECKPOINTS if (run.path / name).exists()}


def newest_epoch(run: RunFolder) -> int:
    newest, _ = run.newest_valid()
    assert newest is not None
    return int(newest.meta["epoch"])


def start(script: str, count: int) -> list[subprocess.Popen[str]]:
    """Processes that run a script in the current folder, which see a line on stdin once all have been started."""
    head = "import sys; from pathlib import Path; from cnncli.runs import RunFolder; sys.stdin.readline()\n"
    root = Path(runs.__file__).parent.parent
    started = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", head + script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        for _ in range(count)
    ]
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    return started


# Claiming and holding.


def test_names_are_numbered() -> None:
    assert [RunFolder.claim("lenet5").path for _ in range(3)] == [
        Path("runs/lenet5"),
        Path("runs/lenet5-2"),
        Path("runs/lenet5-3"),
    ]


def test_processes_claiming_at_once_get_one_folder_each() -> None:
    processes = start("print(RunFolder.claim('a').path)", 8)
    names = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert names == {"runs/a", *(f"runs/a-{number}" for number in range(2, 9))}


def test_one_of_several_processes_holds_a_folder() -> None:
    processes = start(
        """
try:
    run = RunFolder.claim("a", Path("here"))
except Exception as error:
    print(error.exit_code, flush=True)
else:
    print(0, flush=True)
    sys.stdin.readline()
""",
        6,
    )
    outcomes = sorted(process.stdout.readline().strip() for process in processes if process.stdout)
    for process in processes:
        process.communicate(timeout=60)
    assert outcomes == ["0"] + ["77"] * 5


def test_explicit_folder(folder: Path) -> None:
    with RunFolder.claim("a", folder / "deep" / "run") as run:
        assert run.path == folder / "deep" / "run"
    (folder / "empty").mkdir()
    RunFolder.claim("a", folder / "empty").close()
    RunFolder.claim("a", folder / "empty").close()  # holds but a lock that nobody holds


def test_explicit_folder_with_files_is_refused(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").touch()
    with RunFolder.claim("a", folder / "run") as run:
        run.write_config("")
    for name in ("mine", "run"):
        with pytest.raises(OutputError, match=r"exists and is not empty; add --resume"):
            RunFolder.claim("a", folder / name)
    assert os.listdir(folder / "mine") == ["thesis.txt"]
    RunFolder.open(folder / "run").close()


def test_folder_in_use() -> None:
    with RunFolder.claim("a") as run:
        message = rf"^runs/a: in use by process {os.getpid()} on {re.escape(os.uname().nodename)} since \d{{4}}-"
        with pytest.raises(RunInUse, match=message) as caught:
            RunFolder.open(run.path)
        assert caught.value.exit_code == 77
        with pytest.raises(RunInUse):
            RunFolder.claim("a", run.path)
    RunFolder.open(run.path).close()


def test_folder_of_a_killed_process_is_free() -> None:
    (process,) = start("run = RunFolder.claim('a'); print('held', flush=True); sys.stdin.readline()", 1)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunInUse, match=f"process {process.pid} "):
        RunFolder.open(Path("runs/a"))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    RunFolder.open(Path("runs/a")).close()


def test_stale_temporary_files_are_swept(folder: Path) -> None:
    (folder / "a").mkdir()
    kept = {".hidden", ".mine.1.tmp", "last.npz.1.tmp", ".last.npz.tmp"}
    for name in {".last.npz.17.tmp", ".last.1.npz.17.tmp", ".results.csv.1.tmp", ".config.yaml.99999.tmp"} | kept:
        (folder / "a" / name).touch()
    with RunFolder.open(folder / "a"):
        assert set(os.listdir("a")) == kept | {".lock"}


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_read_only_place(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    Path("runs").mkdir()
    Path("empty").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", fail)
        for explicit in (None, Path("new")):
            with pytest.raises(OutputError, match=os.strerror(code)):
                RunFolder.claim("a", explicit)
    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(OutputError, match=os.strerror(code)):
        RunFolder.claim("a", Path("empty"))


def test_a_file_in_the_way() -> None:
    Path("runs").touch()
    with pytest.raises(OutputError, match=r"File exists|Not a directory"):
        RunFolder.claim("a")
    with pytest.raises(OutputError, match=r"File exists|Not a directory"):
        RunFolder.claim("a", Path("runs"))
    with pytest.raises(OutputError, match=r"File exists|Not a directory"):
        RunFolder.open(Path("runs/deeper"))


# Checkpoints.


def test_rotation() -> None:
    with RunFolder.claim("a") as run:
        assert run.newest_valid() == (None, [])
        write(run, 1, best=True)
        assert epochs(run) == {"last.npz": 1, "best.npz": 1}
        write(run, 2)
        write(run, 3, best=True)
        write(run, 4)
        assert epochs(run) == {"last.npz": 4, "last.1.npz": 3, "best.npz": 3}
        assert set(os.listdir(run.path)) == {".lock", *CHECKPOINTS}


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("links", [True, False])
def test_death_at_every_call_of_a_save(best: bool, links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the save after it, and after every death the folder is opened anew."""
    if not links:

        def link(*_: Any) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", link)
    run = RunFolder.claim("a")
    write(run, 1, best=True)
    write(run, 2)
    epoch, at, calls = 2, 0, 100
    while at < calls:
        with failing(at, Death(), forever=True) as made, contextlib.suppress(Death):
            write(run, epoch + 1, best)
        run.close()
        run = RunFolder.open(run.path)
        assert newest_epoch(run) in (epoch, epoch + 1)
        assert run.newest_valid()[1] == []
        assert not list(run.path.glob(".*.tmp"))
        assert "best.npz" in epochs(run)
        calls, epoch, at = len(made), newest_epoch(run), at + 1
    assert epochs(run)["last.npz"] == epoch


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_every_call_of_a_save_fails_once(code: int) -> None:
    run = RunFolder.claim("a")
    write(run, 1, best=True)
    write(run, 2)
    epoch, at, calls = 2, 0, 100
    while at < calls:
        with failing(at, OSError(code, os.strerror(code))) as made, contextlib.suppress(IOFailure):
            write(run, epoch + 1, best=True)
        assert newest_epoch(run) in (epoch, epoch + 1)
        calls, epoch, at = len(made), newest_epoch(run), at + 1
    write(run, epoch + 1)
    assert epochs(run)["last.npz"] == epoch + 1


def test_damaged_checkpoints_are_passed_over() -> None:
    run = RunFolder.claim("a")
    write(run, 1, best=True)
    write(run, 2)
    write(run, 3)
    os.truncate(run.path / "last.npz", 200)
    newest, warnings = run.newest_valid()
    assert newest
    assert newest.path.name == "last.1.npz"
    assert warnings == ["runs/a/last.npz: cut short"]
    (run.path / "last.1.npz").write_bytes(b"")
    newest, warnings = run.newest_valid()
    assert newest
    assert newest.path.name == "best.npz"
    assert warnings == ["runs/a/last.npz: cut short", "runs/a/last.1.npz: cut short"]
    (run.path / "best.npz").write_bytes(b"?")
    with pytest.raises(CheckpointError, match=r"(?s)last\.npz.*last\.1\.npz.*best\.npz: not a checkpoint"):
        run.newest_valid()


def test_a_damaged_last_does_not_replace_the_one_resumed_from() -> None:
    """Not even while it is being replaced: the process dies at every call."""
    run = RunFolder.claim("a")
    write(run, 1)
    write(run, 2)
    os.truncate(run.path / "last.npz", 200)
    at = 0
    while newest_epoch(run) == 1:
        with failing(at, Death(), forever=True), contextlib.suppress(Death):
            write(run, 2)
        run.close()
        run = RunFolder.open(run.path)
        at += 1
    assert at == 4  # open, fsync, replace; dead before the folder was opened
    assert epochs(run) == {"last.npz": 2, "last.1.npz": 1}


def test_newest_best_and_resolve() -> None:
    for path in (None, Path("nowhere"), Path("nowhere.npz")):
        with pytest.raises(MissingError):
            resolve_checkpoint(path)
    with pytest.raises(MissingError, match="train first: cnn train CONFIG"):
        newest_best()

    old, new = RunFolder.claim("z"), RunFolder.claim("a")
    write(new, 1)
    with pytest.raises(MissingError):
        newest_best()
    assert resolve_checkpoint(new.path) == new.path / "last.npz"
    write(old, 1, best=True)
    write(new, 1, best=True)
    os.utime(old.path / "best.npz", (1, 1))
    assert newest_best() == resolve_checkpoint(None) == resolve_checkpoint(new.path) == new.path / "best.npz"
    assert resolve_checkpoint(new.path / "last.npz") == new.path / "last.npz"
    Path("empty").mkdir()
    with pytest.raises(MissingError, match="empty: no checkpoint in this folder"):
        resolve_checkpoint(Path("empty"))


def test_newest_run() -> None:
    assert newest_run("a.b") == Path("runs/a.b")
    for name in ("a.b", "a.b-2", "a.b-10", "a.b-x", "axb-11", "a.b-c-12"):
        Path("runs", name).mkdir(parents=True)
    assert newest_run("a.b") == Path("runs/a.b-10")
    assert newest_run("a") == Path("runs/a")
