"""What is on the disk after a loss of power, at any moment of saves; and that broken ways to save are found out."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_saving import CALLS, newest, saves

from cnncli.errors import CheckpointError

Note = Callable[[str, int], None]
State = dict[str, bytes]

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")

IN_PLACE = """
import cnncli.checkpoint
def write_in_place(path, chunks, previous=None):
    with open(path, "wb", buffering=0) as file:
        for chunk in chunks:
            file.write(chunk)
cnncli.checkpoint.replace_file = write_in_place
"""
UNSYNCED_FILE = """
import os, stat
sync = os.fsync
os.fsync = lambda file: sync(file) if stat.S_ISDIR(os.fstat(file).st_mode) else None
"""
UNSYNCED_FOLDER = """
import cnncli.files
cnncli.files.sync_folder = lambda path: None
"""


class Disk:
    """A disk with a cache: contents are safe after fsync of the file, names after fsync of the folder."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}  # descriptor: number of the file, -1 for the folder
        self.written: list[bytes] = []
        self.safe: list[int] = []  # bytes
        self.names: dict[str, int] = {}
        self.pending: list[tuple[str, str | None, int]] = []  # a new name, a name that goes, the file

    def _all_names(self, changes: int) -> dict[str, int]:
        names = dict(self.names)
        for new, old, file in self.pending[:changes]:
            if old:
                names.pop(old, None)
            if new:
                names[new] = file
        return names

    def do(self, call: str, text: str, result: str) -> None:
        """One line of strace's log, of a call that went well."""
        quoted = [bytes.fromhex(part.replace("\\x", "")) for part in re.findall(r'"((?:\\x..)*)"', text)]
        paths = [part.decode().rpartition("/")[2] for part in quoted] if call != "write" else []
        number = text.split(",")[0].rstrip(")")
        if call == "openat":
            self.open[result] = len(self.written) if "O_CREAT" in text else -1
            if "O_CREAT" in text:
                self.pending.append((paths[0], None, len(self.written)))
                self.written.append(b"")
                self.safe.append(0)
        elif call == "write" and number in self.open:
            self.written[self.open[number]] += quoted[0][: int(result)]
        elif call == "fsync" and self.open[number] == -1:
            self.names, self.pending = self._all_names(len(self.pending)), []
        elif call == "fsync":
            self.safe[self.open[number]] = len(self.written[self.open[number]])
        elif call in ("rename", "link"):
            file = self._all_names(len(self.pending))[paths[0]]
            self.pending.append((paths[1], paths[0] if call == "rename" else None, file))
        elif call == "unlink":
            self.pending.append(("", paths[0], -1))

    def states(self) -> Iterator[State]:
        """What may be there after a loss of power: names as of some moment, of unsafe bytes none, half or all."""
        for changes in range(len(self.pending) + 1):
            names = self._all_names(changes)
            for share in (0.0, 0.5, 1.0):
                kept = [s + int(share * (len(w) - s)) for w, s in zip(self.written, self.safe, strict=True)]
                yield {name: self.written[file][: kept[file]] for name, file in names.items()}


def power_losses(folder: Path, before: str = "") -> Iterator[tuple[int, int]]:
    """After each loss of power: the save last told of, and the one that is found."""
    done = saves(
        folder / "run", "-o", str(folder / "log"), "-xx", "-s", "100000", "-e", f"trace={CALLS}", before=before
    )
    assert done.returncode == 0, done.stderr
    disk, told, begun = Disk(), -1, False
    for line in (folder / "log").read_text().splitlines():
        match = re.match(r"(\w+)\((.*)\)\s+= (\d+)", line)
        if not match:
            continue
        spoken = bytes.fromhex("".join(re.findall(r"\\x(..)", line))).decode("latin1") if match[2][:2] == "1," else ""
        spoken = spoken.rstrip("\n")  # which is written with the word or after it
        begun |= spoken == "opened"
        if spoken.startswith("saved"):
            told = int(spoken.split()[1])
        if not begun or spoken or match[2].startswith("1,"):
            continue
        disk.do(*match.groups())
        for state in disk.states():
            shutil.rmtree(folder / "after", ignore_errors=True)
            (folder / "after").mkdir()
            for name, content in state.items():
                (folder / "after" / name).write_bytes(content)
            yield told, found(folder / "after")


def found(run: Path) -> int:
    """The number of the newest checkpoint, -2 where none of them loads."""
    try:
        return newest(run)
    except CheckpointError:
        return -2


def test_power_loss(tmp_path: Path, tried: Note) -> None:
    losses = list(power_losses(tmp_path))
    assert all(there >= told for told, there in losses)
    assert len(losses) > 300
    assert {told for told, _ in losses} == {-1, 0, 1, 2}  # nothing happens after the last
    tried("10", len(losses))


@pytest.mark.parametrize("broken", [IN_PLACE, UNSYNCED_FILE, UNSYNCED_FOLDER])
def test_power_loss_finds_broken_saves(broken: str, tmp_path: Path) -> None:
    assert any(there < told for told, there in power_losses(tmp_path, broken))


def test_death_finds_saves_in_place(tmp_path: Path) -> None:
    lost = 0
    for place in range(2, 12):
        injected = f"inject=write:signal={signal.SIGKILL.name}:when={place}"
        done = saves(tmp_path / "run", "-o", "/dev/null", "-e", "trace=write", "-e", injected, before=IN_PLACE)
        told = [int(number) for number in re.findall(r"saved (\d)", done.stdout)]
        lost += found(tmp_path / "run") < max(told, default=-1)
    assert lost
