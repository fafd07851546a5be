"""A training run on the disk: trained step by step, saved when due, stopped in good order, resumed exactly."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from cnncli import yamlio
from cnncli.assessment import LISTED, Assessment
from cnncli.checkpoint import Checkpoint, load
from cnncli.datasets._decoded import Skipped
from cnncli.errors import CnnError, Diverged, Interrupted
from cnncli.evaluation import evaluate
from cnncli.experiment import Experiment, environment
from cnncli.health import Health
from cnncli.model import BATCH, Model
from cnncli.parts import Parts
from cnncli.process_group import ALONE, ProcessGroup
from cnncli.progress import Progress
from cnncli.runs import BEST, DIVERGED, LAST, SKIPPED, RunFolder
from cnncli.spec import Interval, resolved
from cnncli.symptoms import unhealthy
from cnncli.tensorboard import EventLog
from cnncli.training import EpochReport, StepReport


class Session:
    """Trains an experiment in a run folder.

    Parameters
    ----------
    experiment : Experiment
    run : RunFolder
    stored : Checkpoint, optional
        Where to go on from.
    why_stop : callable
        Asked after every step and within evaluations: why to stop now, or None.
    warn : callable
        Told what the config says differently now.

    Attributes
    ----------
    images, seconds : int, float
        Trained by this session so far, and the time it took.
    last_epoch : (float, int, float)
        Seconds and images of the epoch that ended last, as far as this session did it, and the share of the time in
        which it waited for data.

    Raises
    ------
    CheckpointError
        The checkpoint belongs to another network or other data.
    """

    def __init__(
        self,
        experiment: Experiment,
        run: RunFolder,
        stored: Checkpoint | None,
        why_stop: Callable[[], str | None],
        warn: Callable[[str], None],
    ) -> None:
        self.experiment, self.run, self.trainer = experiment, run, experiment.trainer
        self._why_stop, self._warn = why_stop, warn
        self._group = experiment.network.shard.group
        self._saved: tuple[int, int] | None = None
        if stored:
            for change in experiment.restore(stored):
                warn(f"the config differs from the checkpoint's: {change}")
            self._saved = self._position
        run.restore_logs(self.trainer.progress.history)
        run.write_config(yamlio.dump(resolved(experiment.spec)))
        run.write_env(environment(experiment.network.threads, self._group.size))
        self._skipped = 0
        self._told: set[str] = set()  # kinds of problems
        self.tell_skipped()
        self._saved_at = self._epoch_began = time.monotonic()
        self._epoch_images = 0
        self.images, self.seconds = 0, 0.0
        self.last_epoch = (0.0, 0, 0.0)
        wanted = experiment.spec.train.tensorboard and self._group.rank == 0
        self._board = EventLog(run.path, self.trainer.progress.step) if wanted else None

    def reports(self) -> Generator[StepReport | EpochReport, None, None]:
        """Train to the end; what was saved, and when, is exactly what a resumed session goes on from.

        Raises
        ------
        Interrupted
            Stopped; the state is saved.
        Diverged
            The loss is no number any more; the last checkpoints are kept.
        """
        began = time.monotonic()
        progress = self.trainer.progress
        try:
            for report in self.trainer.fit(self.poll):
                self.run.beat()  # before anything is written: after a step of a minute another may have the folder
                if isinstance(report, EpochReport):
                    self._end_epoch(report)
                else:
                    self._count(report)
                self.seconds = time.monotonic() - began
                yield report
                if not (isinstance(report, EpochReport) and self.trainer.why_finished()):
                    self.poll()
            if self._saved != self._position:
                self._save(best=progress.best_epoch is None)
        except Interrupted as stop:
            if self._saved != self._position:
                self._save(best=False)
            place = f"in epoch {progress.epoch + 1}, step {progress.step}"
            raise Interrupted(f"{stop} {place}; saved in {self.run.path / LAST}") from None
        except Diverged as error:
            self._keep_for_autopsy(str(error))
            kept = [name for name in (LAST, BEST, DIVERGED) if (self.run.path / name).exists()]
            raise Diverged(f"{error}; {self.run.path} keeps {_listed(kept)}") from None
        finally:
            if self._board:
                self._board.close()
        self.seconds = time.monotonic() - began

    def _keep_for_autopsy(self, why: str) -> None:
        """Write the state before the step that failed, which is the last that has numbers."""
        self.run.log(why)
        try:
            self.run.keep_diverged(self.experiment.arrays(), self.experiment.meta() | {"diverged": why})
        except CnnError as error:
            self._warn(f"the state that led there is not kept: {error}")
        self._group.share(None)  # nobody ends before it is kept

    def tell_skipped(self) -> None:
        """List the images that were left out, where there are more than before."""
        skipped = self.experiment.parts.skipped
        if len(skipped) > self._skipped:
            self._skipped = len(skipped)
            self.run.write_skipped(_table(skipped))
            counts = Counter(part for part, _ in skipped)
            text = ", ".join(f"{count:,} of {part}" for part, count in counts.items())
            self._warn(f"images left out that cannot be read: {text}; see {self.run.path / SKIPPED}")
            self.run.log(f"images left out that cannot be read: {text}; see {SKIPPED}")

    def _tell_unhealthy(self, health: Health) -> None:
        """Warn of what is wrong with layers, of each kind once."""
        for problem in unhealthy(health.layers, health.images, self.trainer.progress.step):
            if problem.kind not in self._told:
                self._told.add(problem.kind)
                text = f"{problem.text}: {problem.why}; {problem.advice}"
                self._warn(text)
                self.run.log(text)

    def poll(self) -> None:
        """Raise Interrupted if it is time to stop; tell others that this process lives."""
        self.run.beat()
        if reason := self._why_stop():
            raise Interrupted(reason)

    @property
    def _position(self) -> tuple[int, int]:
        return self.trainer.progress.epoch, self.trainer.progress.step

    def _count(self, report: StepReport) -> None:
        network = self.trainer.network
        if not self.images and (remark := network.graph.loss.remark(network.loss)):
            self._warn(remark)
        self.images += report.images
        self._epoch_images += report.images
        every = self.experiment.spec.train.save_every
        if _step_due(every, report.step) or (every.unit == "minute" and self._waited(every)):
            self._save(best=False)

    def _end_epoch(self, report: EpochReport) -> None:
        every = self.experiment.spec.train.save_every
        health = report.health.to_dict()
        self.run.append_epoch(report.row, health)
        self._tell_unhealthy(report.health)
        if report.best or (every.unit == "epoch" and report.row["epoch"] % every.count == 0):
            self._save(report.best)
        if self._board:
            self._board.append(report.row, health)
        seconds, waited = time.monotonic() - self._epoch_began, self.trainer.loader.seconds
        self.last_epoch = seconds, self._epoch_images, waited / seconds
        rate = self._epoch_images / seconds
        times = {"wall_s": round(seconds, 3), "data_s": round(waited, 3), "images_per_s": round(rate)}
        self.run.append_timing({"epoch": report.row["epoch"]} | times)
        self._epoch_began, self._epoch_images, self.trainer.loader.seconds = time.monotonic(), 0, 0.0

    def _waited(self, every: Interval) -> bool:
        return time.monotonic() - self._saved_at >= 60 * every.count

    def _save(self, best: bool) -> None:
        self.run.save_checkpoint(self.experiment.arrays(), self.experiment.meta(), best)
        self._saved, self._saved_at = self._position, time.monotonic()


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])) or "no checkpoint"


def _table(skipped: Sequence[tuple[str, Skipped]]) -> bytes:
    """The images that were left out as CSV."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["part", "path", "label", "reason"])
    rows.writerows([part, image.name, image.label, image.reason] for part, image in skipped)
    return text.getvalue().encode(errors="surrogateescape")


def _step_due(every: Interval, step: int) -> bool:
    return every.unit == "step" and step % every.count == 0


def evaluate_best(
    parts: Parts,
    best: Path,
    threads: int,
    poll: Callable[[], None] = lambda: None,
    group: ProcessGroup = ALONE,
) -> Assessment | None:
    """What a run's best checkpoint makes of the test part; None where the data have none."""
    images = parts.load_test()
    if images is None or parts.test is None:
        return None
    model = Model(group.share(None if group.rank else load(best)), threads)
    found = evaluate(model.network(BATCH), model.preprocessing, images.images, images.labels, poll, group)
    return Assessment(model, str(parts.test.path), images, found, LISTED)


def outcome(run: Path, progress: Progress, test: Assessment | None) -> dict[str, Any]:
    """What a run has come to, as ``cnn train --json`` tells it, but for times."""
    best = progress.history[progress.best_epoch - 1] if progress.best_epoch else {}
    return {
        "run": str(run),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "validation_accuracy": best.get("validation_accuracy"),
        "test_accuracy": None if test is None else test.found.accuracy,
        "checkpoint": str(run / BEST),
    }
