"""The trials of a sweep as processes: so many at once, each with its share of the threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from cnncli.errors import Diverged, Interrupted, OutputError, RunInUse
from cnncli.files import write_failure
from cnncli.lock import in_use
from cnncli.runs import LOCK
from cnncli.sweeping import trials as states
from cnncli.sweeping.trials import Result, Trial, best_row, read_result, read_rows, write_result

LOOK, LOOK_AGAIN = 0.05, 1.0  # seconds: at what runs here, and at what others do


class Plan(Protocol):
    """What is tried, as far as that is not known from the start."""

    def settle(self, trial: Trial) -> Trial | None:
        """The trial with its values; None where there is nothing left to try."""

    def hopeless(self, trial: Trial) -> str | None:
        """Why a trial that is running should be stopped, if so."""

    def save(self, folder: Path) -> None:
        """Write what there is to keep, beside the trials, into a folder."""


class Fixed(Plan):
    """A plan in which all values are known."""

    def settle(self, trial: Trial) -> Trial | None:
        return trial

    def hopeless(self, trial: Trial) -> str | None:
        return None

    def save(self, folder: Path) -> None:
        pass


class Ended(NamedTuple):
    """A trial that is at its end; `here` if this process ran it."""

    trial: Trial
    result: Result
    here: bool


@dataclass
class _Job:
    trial: Trial
    process: subprocess.Popen[bytes]
    slot: int
    out: IO[bytes]
    err: IO[bytes]
    hopeless: str | None = None
    seen: int = 0  # size of results.csv

    def grown(self) -> bool:
        """Whether the run has finished an epoch since this was asked last."""
        try:
            size = (self.trial.folder / "results.csv").stat().st_size
        except OSError:
            return False
        grown, self.seen = size > self.seen, size
        return grown


def shares(threads: int, jobs: int) -> list[int]:
    """The threads of each of `jobs` processes; together no more than `threads`, if there is one for each."""
    return [max(1, threads // jobs + (slot < threads % jobs)) for slot in range(jobs)]


class Runner:
    """Brings every trial to its end, whoever else is working on the same sweep.

    Parameters
    ----------
    config : str
    fixed : sequence of str
        The overrides that all trials have.
    threads : sequence of int
        Of each process that may run at the same time.
    plan : Plan
    why_stop : callable
        Asked all the time: why to stop now, or None.
    """

    def __init__(
        self,
        config: str,
        fixed: Sequence[str],
        threads: Sequence[int],
        plan: Plan,
        why_stop: Callable[[], str | None],
    ) -> None:
        self._config, self._fixed, self._plan, self._why_stop = config, list(fixed), plan, why_stop
        self._threads, self._free = threads, list(range(len(threads)))[::-1]
        self._jobs: list[_Job] = []
        self._waiting: list[Trial] = []

    def run(self, trials: Sequence[Trial]) -> Iterator[Ended]:
        """Run what has no result yet; a trial that others are at work on is waited for.

        Raises
        ------
        Interrupted
            Stopped; what was running is saved, and goes on when the sweep is started again.
        OutputError, IOFailure
            A result cannot be written.
        """
        self._waiting = list(trials)
        looked = 0.0
        try:
            while self._waiting or self._jobs:
                if self._free and time.monotonic() - looked >= (LOOK_AGAIN if looked else 0):
                    yield from self._fill()
                    looked = time.monotonic()
                if ended := list(self._ended()):
                    looked = 0.0
                    yield from ended
                if reason := self._why_stop():
                    raise Interrupted(reason)
                self._stop_hopeless()
                if self._waiting or self._jobs:
                    time.sleep(LOOK)
        finally:
            self._stop_all()

    def _fill(self) -> Iterator[Ended]:
        """Start trials as long as there is room; those at their end are told."""
        for trial in list(self._waiting):
            if not self._free:
                return
            if result := read_result(trial.folder):
                self._waiting.remove(trial)
                if settled := self._plan.settle(trial):  # by another process
                    yield Ended(settled, result, here=False)
            elif not in_use(trial.folder / LOCK):
                self._waiting.remove(trial)
                if settled := self._plan.settle(trial):
                    self._start(settled)

    def _start(self, trial: Trial) -> None:
        slot = self._free.pop()
        threads = str(self._threads[slot])
        out, err = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115
        words = ["train", self._config, *self._fixed, *trial.overrides, "--run", str(trial.folder), "--resume"]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cnncli", *words, "--threads", threads, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=os.environ | {"OMP_NUM_THREADS": threads},  # no thread beside those, as for the loader
        )
        self._jobs.append(_Job(trial, process, slot, out, err))

    def _ended(self) -> Iterator[Ended]:
        for job in list(self._jobs):
            if job.process.poll() is None:
                continue
            self._jobs.remove(job)
            self._free.append(job.slot)
            result = _result(job)
            if result is None:  # others are at work on it
                self._waiting.append(job.trial)
                continue
            if result.status != states.FAILED:
                write_result(job.trial, result)
            yield Ended(job.trial, result, here=True)

    def _stop_hopeless(self) -> None:
        for job in self._jobs:
            if job.hopeless is None and job.grown() and (why := self._plan.hopeless(job.trial)):
                job.hopeless = why
                job.process.send_signal(signal.SIGTERM)

    def _stop_all(self) -> None:
        """Let what is running save and end; what has come to its end meanwhile is kept."""
        for job in self._jobs:
            job.process.send_signal(signal.SIGTERM)
        for job in self._jobs:
            job.process.wait()
        list(self._ended())


def make_folder(path: Path) -> None:
    """Make the folder of a sweep; raises OutputError or IOFailure."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{path}: is no folder; -o DIR names another") from None
    except OSError as error:
        raise write_failure(error, path) from error


def _result(job: _Job) -> Result | None:
    """What came of a training that has ended; None where another process had its folder."""
    code = job.process.returncode
    texts = []
    for file in (job.out, job.err):
        file.seek(0)
        texts.append(file.read().decode(errors="replace").splitlines())
        file.close()
    out, err = texts
    rows = read_rows(job.trial.folder)
    if code == RunInUse.exit_code:
        return None
    if code == 0 and out:
        outcome = json.loads(out[-1])
        best = next((row for row in rows if row["epoch"] == outcome["best_epoch"]), {})
        return Result(states.DONE, "", outcome["epochs"], best, outcome["test_accuracy"])
    why = next((line.removeprefix("error: ") for line in err if line.startswith("error: ")), (err or [""])[-1])
    if code == Diverged.exit_code:
        return Result(states.DIVERGED, why, len(rows), exit_code=code)
    if job.hopeless and code in (Interrupted.exit_code, -signal.SIGTERM):
        return Result(states.PRUNED, job.hopeless, len(rows), best_row(rows))
    if code < 0:
        why = f"killed by {signal.Signals(-code).name}"
    elif code == Interrupted.exit_code:
        why = "stopped by a signal; the same line goes on with it"
    return Result(states.FAILED, why, len(rows), exit_code=code)
