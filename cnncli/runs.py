"""The run folder: who owns it, its checkpoints, and its logs.

A `RunFolder` holds a lock on its folder for as long as it lives. Checkpoints are rotated so that at every instant the
folder holds a loadable one no older than the last that `save_checkpoint` returned from. Logs serve people and plots: a
failing one is reported once and never stops the training; `restore_logs` rebuilds them from a checkpoint's history.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.checkpoint import Checkpoint, load, save
from cnncli.errors import CheckpointError, IOFailure, MissingError, OutputError
from cnncli.files import replace_file, sync_folder, write_failure
from cnncli.lock import TIME, Lock
from cnncli.logs import Log, csv_line, json_line
from cnncli.signals import finishing

RUNS = Path("runs")
LAST, PREVIOUS, BEST = "last.npz", "last.1.npz", "best.npz"
DIVERGED = "diverged.npz"
SKIPPED, LOCK = "skipped.csv", ".lock"

_STALE = re.compile(r"\.[\w.-]+\.(npz|yaml|jsonl?|csv)\.\d+\.tmp")  # what `replace_file` leaves when killed


def _warn(text: str) -> None:
    with suppress(OSError):  # nobody listens
        print(f"warning: {text}", file=sys.stderr, flush=True)


class RunFolder:
    """A run folder held by this process; made by `claim` or `open`, released by `close` or the end of a `with`.

    Attributes
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path, warn: Callable[[str], None] = _warn) -> None:
        self.path = path
        self._lock = Lock(path / LOCK, warn)
        for name in filter(_STALE.fullmatch, _entries(path)):
            with suppress(OSError):
                (path / name).unlink()
        self._last_is_damaged = False
        self._results, self._metrics, self._timing, self._log = (
            Log(path / name, warn) for name in ("results.csv", "metrics.jsonl", "timing.jsonl", "log.txt")
        )

    @classmethod
    def claim(cls, name: str, explicit: Path | None = None, warn: Callable[[str], None] = _warn) -> RunFolder:
        """Make a new run folder: `explicit`, or the first of runs/NAME, runs/NAME-2, ... that does not exist.

        Parameters
        ----------
        name : str
            Name of the configuration.
        explicit : Path, optional
            A folder that does not exist or is empty.
        warn : callable
            Told about failures that do not stop a training.

        Raises
        ------
        OutputError
            The folder exists and is not empty, or cannot be created.
        RunInUse
            Another process holds the folder.
        """
        if not explicit:
            return cls(_make_numbered(name), warn)
        if not _entries(explicit) or (explicit / LOCK).exists():
            run = cls.open(explicit, warn)
            if not _entries(explicit):
                return run
            run.close()
        raise OutputError(f"{explicit}: exists and is not empty; add --resume to go on with it, or choose another name")

    @classmethod
    def open(cls, path: Path, warn: Callable[[str], None] = _warn) -> RunFolder:
        """Hold the run folder `path`, made if there is none; raises as `claim` does, except that it may hold files."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_failure(error, path) from error
        return cls(path, warn)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder."""
        self._lock.release()

    def beat(self) -> None:
        """Tell other machines that this process lives; to be called again and again."""
        self._lock.beat()

    @finishing()
    def save_checkpoint(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], best: bool) -> None:
        """Write best.npz if it is the best, then last.npz, keeping the one before as last.1.npz; see `checkpoint.save`.

        The best goes first. Were the process to die between the two, training would resume before this checkpoint
        and write the same best again; in the other order it would resume behind a best that was never written.
        """
        if best:
            save(self.path / BEST, arrays, meta)
        # A damaged file must not take the place of the checkpoint that training resumed from.
        save(self.path / LAST, arrays, meta, previous=None if self._last_is_damaged else self.path / PREVIOUS)
        self._last_is_damaged = False

    def newest_valid(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest checkpoint that can be loaded, and a line about each newer one that cannot.

        Returns
        -------
        checkpoint : Checkpoint or None
            None where the run has saved none yet.
        warnings : list of str

        Raises
        ------
        CheckpointError
            There are checkpoints, but none can be loaded.
        """
        problems: list[str] = []
        for name in (LAST, PREVIOUS, BEST):
            try:
                return load(self.path / name), problems
            except MissingError:
                continue
            except (CheckpointError, IOFailure) as error:
                problems.append(str(error))
                self._last_is_damaged |= name == LAST
        if problems:
            raise CheckpointError("\n".join(problems))
        return None, []

    def append_epoch(self, row: Mapping[str, Any], health: Mapping[str, Any]) -> None:
        """Append a row of numbers, under the same keys every time, to results.csv and metrics.jsonl.

        The health of layers goes to metrics.jsonl alone. Times and host names do not belong here: a resumed run's
        files equal an uninterrupted one's byte for byte.
        """
        self._results.append(csv_line(row.values()), header=csv_line(row))
        self._metrics.append(json_line({**row, "health": health}))

    def restore_logs(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Rewrite results.csv and metrics.jsonl from the rows of a checkpoint, on resuming from it.

        This drops rows of epochs that are about to be repeated, and mends what a crash or a full disk left. Checkpoints
        do not hold the health of layers, which would make them grow by the epoch: it stays where its line is whole.
        """
        header = [csv_line(history[0])] if history else []
        results = "".join(header + [csv_line(row.values()) for row in history])
        known = self._metrics.lines()
        metrics = "".join(_line_of(row, known) for row in history)
        replace_file(self._results.path, [results.encode()])
        replace_file(self._metrics.path, [metrics.encode()])

    def append_timing(self, row: Mapping[str, Any]) -> None:
        """Append a row to timing.jsonl."""
        self._timing.append(json_line(row))

    def log(self, text: str) -> None:
        """Append a line, with the time of day, to log.txt."""
        self._log.append(f"{time.strftime(TIME)} {text}\n")

    def write_config(self, text: str) -> None:
        """Write config.yaml; raises OutputError or IOFailure."""
        replace_file(self.path / "config.yaml", [text.encode()])

    def write_skipped(self, table: bytes) -> None:
        """Write skipped.csv; raises OutputError or IOFailure."""
        replace_file(self.path / SKIPPED, [table])

    def keep_diverged(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Write diverged.npz; raises OutputError or IOFailure."""
        save(self.path / DIVERGED, arrays, meta)

    def write_env(self, facts: Mapping[str, Any]) -> None:
        """Write env.json; raises OutputError or IOFailure."""
        replace_file(self.path / "env.json", [json.dumps(facts, indent=2).encode(), b"\n"])


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep others from training in a folder meanwhile, if it is a run's.

    Raises
    ------
    RunInUse
        Another process holds it.
    """
    if not (folder / LOCK).exists():
        yield
        return
    with RunFolder.open(folder):
        yield


def newest_run(name: str) -> Path:
    """The folder that --resume means without --run: the last of runs/NAME, runs/NAME-2, ..., or runs/NAME."""
    found = [path for path in RUNS.glob("*") if re.fullmatch(re.escape(name) + r"(-\d+)?", path.name)]
    return max(found, key=lambda path: int(path.name[len(name) + 1 :] or 1), default=RUNS / name)


def newest_best(root: Path = RUNS) -> Path:
    """The best checkpoint of the newest run, by the time it was written; MissingError where there is none."""
    found = list(root.glob(f"*/{BEST}"))
    if not found:
        raise MissingError(f"no checkpoint under {root}/; train first: cnn train CONFIG")
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path))


def resolve_checkpoint(path: Path | None) -> Path:
    """The checkpoint file that a user means by a file, by a run folder (its best, else its last), or by nothing.

    Raises
    ------
    MissingError
        There is none.
    """
    if path is None:
        return newest_best()
    candidates = [path / BEST, path / LAST, path / PREVIOUS] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise MissingError(f"{path}: no checkpoint in this folder" if path.is_dir() else f"{path}: no such checkpoint")


def progress_of(checkpoint: Path, known: dict[str, Any]) -> dict[str, Any]:
    """How far the run of a best checkpoint has come since, as its last one tells; of any other, what itself knows."""
    if checkpoint.name != BEST:
        return known
    try:
        last: dict[str, Any] = load(checkpoint.with_name(LAST)).meta["progress"]
    except (CheckpointError, MissingError, IOFailure, KeyError):
        return known
    begun = known["history"]
    return last if last["history"][: len(begun)] == begun else known


def _line_of(row: Mapping[str, Any], known: Sequence[str]) -> str:
    """The line of metrics.jsonl for a row: the known one that says the same and more, else a new one."""
    new = json_line(row)
    return next((line for line in known if line.startswith(new[:-2]) and line.endswith("}}\n")), new)


def _entries(path: Path) -> set[str]:
    """The names in a folder, none where it does not exist; the lock does not count."""
    try:
        return set(os.listdir(path)) - {LOCK}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise write_failure(error, path) from error


def _make_numbered(name: str) -> Path:
    """Make the first of runs/NAME, runs/NAME-2, ... that does not exist; processes doing so at once get one each."""
    try:
        RUNS.mkdir(exist_ok=True)
        for number in itertools.count(1):
            path = RUNS / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                path.mkdir()
                break
        sync_folder(RUNS)
    except OSError as error:
        raise write_failure(error, RUNS / name) from error
    return path
