"""``cnn train``."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _decoding, _duration, _options
from cnncli.commands._console import note, percent, result, result_json, table, warn

if TYPE_CHECKING:
    from cnncli.assessment import Assessment
    from cnncli.parts import Parts
    from cnncli.preprocessing import Preprocessing
    from cnncli.progress import Progress
    from cnncli.session import Session
    from cnncli.spec import RunSpec
    from cnncli.transfer import Transfer


@click.command()
@_options.config_or_default
@_options.overrides
@_options.file_path("--run", "folder", metavar="DIR", help="The run folder; by default runs/NAME, from CONFIG's name.")
@click.option("--resume", is_flag=True, help="Go on from the run's newest checkpoint; start where there is none.")
@_options.file_path("--from", "source", metavar="CHECKPOINT", help="Start from the weights of a checkpoint or run.")
@click.option("--fresh", multiple=True, metavar="LAYER", help="With --from: draw this layer anew (name or pattern).")
@click.option("--partial", is_flag=True, help="With --from: take over whatever fits.")
@_options.threads
@_decoding.workers()
@_decoding.no_cache
@_duration.max_time
@_options.as_json
def command(
    config: str,
    overrides: tuple[str, ...],
    folder: Path | None,
    resume: bool,
    source: Path | None,
    fresh: tuple[str, ...],
    partial: bool,
    threads: int | None,
    workers: int | None,
    no_cache: bool,
    max_time: float | None,
    as_json: bool,
) -> None:
    """Train the network of CONFIG, a YAML file; of cnn.yaml here, as `cnn init` writes it, where none is given.

    KEY=VALUE changes an entry of the config, for example train.epochs=3 or optimizer.sgd.lr=0.1. Weights, logs and the
    config go to a run folder. On SIGTERM, SIGUSR1 or Ctrl-C the state is saved and the exit code is 75: run the same
    command with --resume to go on.

    --from takes over the weights of a trained network by name. All must fit, but for those of the last layer where the
    classes are others: it starts anew.
    """
    began = time.monotonic()
    from cnncli import launch, tensorboard
    from cnncli.errors import Interrupted
    from cnncli.experiment import Experiment
    from cnncli.model import Model
    from cnncli.onlooker import Onlooker
    from cnncli.progress import Progress, why_finished
    from cnncli.runs import RunFolder, newest_run
    from cnncli.session import Session
    from cnncli.spec import load
    from cnncli.transfer import Start, as_begun

    if source is None and (fresh or partial):
        raise click.UsageError(f"{'--fresh' if fresh else '--partial'} needs --from CHECKPOINT")
    spec = load(config, overrides)
    if spec.train.tensorboard:
        tensorboard.check()
    name = Path(config).stem
    group = launch.join()
    granted = launch.threads(threads)
    reading = _decoding.reading(granted, spec.train.workers if workers is None else workers, no_cache)

    def start() -> Start | None:
        return None if source is None else Start(Model.load(source, granted), fresh, partial)

    def experiment_of(spec: RunSpec, start: Start | None = None) -> Experiment:
        return Experiment(spec, granted, start=start, reading=reading, found=_tell_data, group=group)

    def held_by_the_first(make: Callable[[], RunFolder]) -> RunFolder:
        run = held.enter_context(Onlooker(Path()) if group.rank else make())
        run.path = group.share(run.path)
        return run

    if resume and folder is None:
        folder = newest_run(name)
    with ExitStack() as held:
        stored = None
        if group.share(resume and folder is not None and folder.exists()):
            run = held_by_the_first(lambda: RunFolder.open(Path(str(folder)), warn))
            stored, problems = group.share(run.newest_valid())
            for problem in problems:
                warn(f"{problem}; going on from an earlier checkpoint")
            progress = Progress(**stored.meta["progress"]) if stored else Progress()
            if stored and (reason := why_finished(spec.train, progress)):
                _tell_finished(spec, run.path, progress, reason, granted, as_json)
                return
            # where there is a checkpoint, its own weights, whatever it once started from
            experiment = experiment_of(as_begun(spec, stored)) if stored else experiment_of(spec, start())
        else:
            experiment = experiment_of(spec, start())  # before there is a folder: bad data leave none
            run = held_by_the_first(lambda: RunFolder.claim(name, folder, warn))
        why_stop = held.enter_context(_duration.stopping(began, max_time, group))
        session = Session(experiment, run, stored, why_stop, warn)
        if experiment.transfer:
            run.log(_tell_transfer(experiment.transfer, experiment.preprocessing))
        note(_opening(session, resumed=stored is not None))
        try:
            _train(session)
            _tell_outcome(session, began, as_json)
        except Interrupted as reason:
            note(f"{reason}\ngo on with: {_same_command(config, overrides, run.path, threads, group.size)}")
            raise click.exceptions.Exit(reason.exit_code) from None


def _tell_data(parts: Parts) -> None:
    note(f"{parts.train.path}: {parts.text}")


def _tell_transfer(transfer: Transfer, preprocessing: Preprocessing) -> str:
    """Say what is taken over and what is not; returns it without the table."""
    from cnncli.texts import shape_text
    from cnncli.transfer import FATES

    rows = [
        (t.name, f"{t.fate}: {t.reason}" if t.reason else t.fate, shape_text(t.here), shape_text(t.there))
        for t in transfer.tensors
    ]
    note(table(("tensor", "", "here", "there"), rows, left=2))
    counts = Counter(tensor.fate for tensor in transfer.tensors)
    line = f"from {transfer.trained.path}: {', '.join(f'{counts[fate]} {fate}' for fate in FATES)}"
    known, now = transfer.trained.preprocessing, preprocessing
    if (known.mean, known.std) == (now.mean, now.std):
        line += "; pixels are normalised as there"
    elif known.channels == now.channels:
        warn(f"the config normalises pixels in another way than {transfer.trained.path} was trained with")
    note(line)
    return line


def _opening(session: Session, resumed: bool) -> str:
    trainer = session.trainer
    validation = 0 if trainer.validation is None else len(trainer.validation)
    text = (
        f"{session.run.path}: {len(trainer.train):,} training images, {validation:,} for validation, "
        f"{len(session.experiment.classes)} classes, {sum(p.size for p in trainer.network.param.values()):,} parameters"
    )
    if resumed:
        text += f"; going on in epoch {trainer.progress.epoch + 1}, step {trainer.progress.step}"
    return text


def _train(session: Session) -> None:
    """Train to the end, showing it."""
    from cnncli.commands._progress import epoch_line, show
    from cnncli.training import EpochReport

    with closing(show(session.trainer)) as display, closing(session.reports()) as reports:
        for report in reports:
            if isinstance(report, EpochReport):
                line = epoch_line(report.row, session.trainer.epochs, *session.last_epoch, report.best)
                session.run.log(line)
                display.epoch(line)
            else:
                display.step(report)
    if session.trainer.progress.epoch < session.trainer.epochs and (reason := session.trainer.why_finished()):
        session.run.log(reason)
        note(reason)


def _tell_outcome(session: Session, began: float, as_json: bool) -> None:
    from cnncli.runs import BEST
    from cnncli.session import evaluate_best, outcome

    progress, run = session.trainer.progress, session.run.path
    network = session.trainer.network
    test = evaluate_best(session.experiment.parts, run / BEST, network.threads, session.poll, network.shard.group)
    session.tell_skipped()
    seconds = time.monotonic() - began
    line = f"{_text(progress, test)}, {seconds:.1f} s, {run}"
    session.run.log(line)
    if as_json:
        rate = session.images / session.seconds if session.images else None
        result_json(outcome(run, progress, test) | {"wall_s": round(seconds, 3), "images_per_s": rate and round(rate)})
    else:
        result(line)
    if session.experiment.spec.train.report and network.shard.group.rank == 0:
        _report(session, test)


def _report(session: Session, test: Assessment | None) -> None:
    """Describe the run in a page, if the extra is there; that it cannot be written is no failure of a training."""
    from cnncli.assessment import LISTED, of_images
    from cnncli.files import replace_file
    from cnncli.model import Model
    from cnncli.reporting import report
    from cnncli.runs import BEST

    if not report.available():
        return
    began, run = time.monotonic(), session.run.path
    try:
        model = test.model if test else Model.load(run / BEST, session.trainer.network.threads)
        if test is None and (images := session.trainer.validation):
            test = of_images(model, "the validation images", images, LISTED)
        replace_file(run / report.NAME, [report.report(model, run, test).encode()])
        note(f"report: {run / report.NAME} ({time.monotonic() - began:.1f} s; train.report=false leaves it out)")
    except Exception as error:
        warn(f"no report: {error}")


def _tell_finished(spec: RunSpec, run: Path, progress: Progress, reason: str, threads: int, as_json: bool) -> None:
    """What there is to say about a run that needs no training any more; without --json no data are needed for it."""
    from cnncli.parts import Parts
    from cnncli.runs import BEST
    from cnncli.session import evaluate_best, outcome

    more = "train.epochs=N" if progress.epoch >= spec.train.epochs else "train.early_stopping=null"
    note(f"{run}: finished, {reason}; {more} asks for more")
    if as_json:
        test = evaluate_best(Parts.open(spec.data), run / BEST, threads)
        result_json(outcome(run, progress, test) | {"wall_s": 0.0, "images_per_s": None})


def _text(progress: Progress, test: Assessment | None) -> str:
    """The result in words: on the test part if there is one, else on what the best epoch was chosen by."""
    best = progress.history[progress.best_epoch - 1] if progress.best_epoch else {}
    if test is not None:
        low, high = test.found.interval
        parts = [f"test accuracy {percent(test.found.accuracy)} (95 % interval {100 * low:.1f}-{100 * high:.1f})"]
    elif "validation_accuracy" in best:
        parts = [f"validation accuracy {percent(best['validation_accuracy'])}"]
    elif best:
        parts = [f"training accuracy {percent(best['train_accuracy'])}"]
    else:
        parts = ["not tested"]
    return ", ".join([*parts, f"best epoch {progress.best_epoch}" if best else "untrained"])


def _same_command(config: str, overrides: Sequence[str], run: Path, threads: int | None, processes: int) -> str:
    words = ["mpiexec", "-n", str(processes)] if processes > 1 else []
    words += ["cnn", "train", config, *overrides, "--run", str(run), "--resume"]
    return shlex.join(words + (["--threads", str(threads)] if threads else []))
