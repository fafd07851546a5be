"""``cnn sweep``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _duration, _options, _sweep_results
from cnncli.commands._console import note, warn
from cnncli.sweeping import METRICS

if TYPE_CHECKING:
    from cnncli.spec import RunSpec
    from cnncli.sweeping.axes import Axis
    from cnncli.sweeping.runner import Plan
    from cnncli.sweeping.trials import Result, Trial


class _Metric(click.Choice):
    """What trials are compared by, which is nothing that the test images say."""

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if str(value).startswith("test"):
            self.fail(
                f"{value!r}: what is chosen by the test images tells nothing about new ones; the test accuracy of the "
                f"best is told at the end; choose by {METRICS[0]}",
                param,
                context,
            )
        return super().convert(value, param, context)


@click.command()
@_options.config_or_default
@_options.overrides
@click.option(
    "--search", type=click.Choice(("grid", "random", "tpe")), metavar="HOW",
    help="grid (all combinations; the default), random, or tpe, which learns from the trials so far (Optuna).",
)  # fmt: skip
@click.option("--random", "at_random", is_flag=True, help="Short for --search random.")
@click.option("--trials", "count", type=click.IntRange(1, 10_000), metavar="N", help="How many, for random and tpe.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of random and tpe.")
@click.option(
    "--seeds", type=click.IntRange(1, 1000), metavar="N", help="Train each with N seeds; tells mean and spread."
)
@click.option(
    "--metric", type=_Metric(METRICS), default=METRICS[0], show_default=True, metavar="NAME",
    help=f"What trials are compared by, in the epoch whose weights are kept: {', '.join(METRICS)}.",
)  # fmt: skip
@click.option("--no-prune", is_flag=True, help="With tpe: stop no trial early that is worse than the median of others.")
@click.option(
    "--jobs", type=click.IntRange(1, _options.MAX_THREADS), default=1, show_default=True, metavar="N",
    help="Trials at the same time; they share the threads.",
)  # fmt: skip
@_options.threads
@click.option(
    "--index", type=click.IntRange(0), metavar="K",
    help="Run trial K only, counted from 0, for a job array: --index $SLURM_ARRAY_TASK_ID.",
)  # fmt: skip
@_options.file_path("-o", "--output", "folder", metavar="DIR", help="The sweep's folder; by default runs/NAME-sweep.")
@_duration.max_time
@click.option("-n", "--dry-run", is_flag=True, help="List the trials, and run none.")
@_options.as_json
def command(
    config: str,
    overrides: tuple[str, ...],
    search: str | None,
    at_random: bool,
    count: int | None,
    seed: int,
    seeds: int | None,
    metric: str,
    no_prune: bool,
    jobs: int,
    threads: int | None,
    index: int | None,
    folder: Path | None,
    max_time: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Train CONFIG with several values of some keys, and compare them.

    \b
    KEY=VALUE may have several values, and then all combinations are tried:
      optimizer.sgd.lr=0.1,0.01      a list; brackets keep together: data.augment=[],[flip]
      model.c1.out_channels=4..8     a range: whole numbers, or five fractions
      optimizer.sgd.lr=log:1e-4..1   spread evenly by magnitude, one for each power of ten
      model.drop.p=0.1..0.5:3        with a number of points
    '1e-4..1(log)' is log:1e-4..1, but needs the quotes.

    --random and --search tpe draw from the whole of a range. Each trial is a run folder below DIR. Killed or stopped,
    the same line goes on where it was and repeats nothing; it may be started several times at once, on several machines
    that share DIR. At the end there are a table, sweep.csv and sweep.png. Trials write no report.html, unless
    train.report=true is given.
    """
    began = time.monotonic()
    from cnncli.errors import Interrupted
    from cnncli.runs import RUNS
    from cnncli.sweeping import axes as arguments
    from cnncli.sweeping.runner import Runner, make_folder, shares

    how = _search(search, at_random, count, seeds)
    line = arguments.read(overrides)
    fixed = ("train.report=false", *line.fixed)
    folder = folder or RUNS / f"{Path(config).stem}-sweep"
    plan, trials = _plan(config, fixed, line.axes, folder, how, count, seed, seeds, metric, not no_prune)
    if index is not None:
        if index >= len(trials):
            raise click.UsageError(f"--index {index}: there are {len(trials)} trials, 0 to {len(trials) - 1}")
        trials = [trials[index]]
    first = _check(config, fixed, line.axes, trials)
    if dry_run:
        _sweep_results.tell_plan(trials, folder, as_json)
        return
    done = _sweep_results.known(trials)
    if len(done) < len(trials):
        _check_data(first, metric)
        make_folder(folder)
    granted, jobs = _share(threads, min(jobs, len(trials) - len(done) or 1))
    note(_opening(folder, len(trials), len(done), shares(granted, jobs)))
    ended: list[tuple[Trial, Result]] = []
    try:
        with _duration.stopping(began, max_time) as why_stop:
            for each in Runner(config, fixed, shares(granted, jobs), plan, why_stop).run(trials):
                ended.append((each.trial, each.result))
                if each.here or each.trial.number not in done:
                    note(_sweep_results.line(each.trial, each.result, metric, len(ended), len(trials)))
    except Interrupted as reason:
        note(f"{reason} with {len(ended)} of {len(trials)} trials done; the same line goes on")
        raise click.exceptions.Exit(reason.exit_code) from None
    if index is None:
        plan.save(folder)
    _sweep_results.tell(ended, line.axes, folder, metric, seeds, write=index is None, as_json=as_json)


def _search(search: str | None, at_random: bool, count: int | None, seeds: int | None) -> str:
    """How trials are chosen; raises UsageError where options do not fit together."""
    if at_random and search not in (None, "random"):
        raise click.UsageError(f"--random and --search {search} exclude each other")
    how = "random" if at_random else search or "grid"
    if how == "grid" and count is not None:
        raise click.UsageError("--trials needs --random or --search tpe: a grid has all combinations")
    if how != "grid" and count is None:
        raise click.UsageError(f"--search {how} needs --trials N")
    if how == "tpe":
        from cnncli.sweeping import tpe

        tpe.check()
        if seeds is not None:
            raise click.UsageError(
                "--seeds does not go with --search tpe; repeat the best values with --seeds afterwards"
            )
    return how


def _plan(
    config: str,
    fixed: Sequence[str],
    axes: Sequence[Axis],
    folder: Path,
    how: str,
    count: int | None,
    seed: int,
    seeds: int | None,
    metric: str,
    prune: bool,
) -> tuple[Plan, list[Trial]]:
    """What chooses values, and the trials."""
    from cnncli.spec import load
    from cnncli.sweeping.ranking import higher_is_better
    from cnncli.sweeping.runner import Fixed
    from cnncli.sweeping.tpe import Search
    from cnncli.sweeping.trials import SEED, draws, grid, trials, with_seeds

    base = load(config, fixed)
    if not axes and (seeds is None or how != "grid"):
        raise click.UsageError("there is nothing to try: give a key several values, such as optimizer.sgd.lr=0.1,0.01")
    if how == "tpe":
        assert count is not None
        search = Search(folder, axes, count, metric, higher_is_better(metric), seed, prune)
        return search, search.trials
    points = grid(axes) if count is None else draws(axes, count, seed)
    if count is not None and len(points) < count:
        warn(f"there are only {len(points)} different trials")
    if seeds is not None:
        if any(axis.key == SEED for axis in axes):
            raise click.UsageError(f"{SEED} and --seeds exclude each other")
        points = list(with_seeds(points, base.train.seed, seeds))
    return Fixed(), trials(folder, points)


def _check(config: str, fixed: Sequence[str], axes: Sequence[Axis], trials: Sequence[Trial]) -> RunSpec:
    """Everything that configs and folders tell before anything is run; returns the config of the first trial."""
    from cnncli.spec import load
    from cnncli.sweeping.trials import check_folder

    specs = []
    if any(trial.values is None for trial in trials):  # any combination may come
        first = [f"{axis.key}={axis.ends[0]}" for axis in axes]
        for i, axis in enumerate(axes):
            specs += [load(config, [*fixed, *first[:i], f"{axis.key}={text}", *first[i + 1 :]]) for text in axis.ends]
    for trial in trials:
        if trial.values is not None:
            specs.append(load(config, [*fixed, *trial.overrides]))
            check_folder(trial, specs[-1])
    return specs[0]


def _check_data(spec: RunSpec, metric: str) -> None:
    """Find the data of a trial, so that what is wrong with them is said once."""
    from cnncli.errors import SpecError
    from cnncli.parts import Parts
    from cnncli.spec import trace

    parts = Parts.open(spec.data)
    trace(spec, (parts.channels, *parts.size), len(parts.classes))
    if metric.startswith("validation") and parts.validation is None:
        raise SpecError(
            f"{spec.source}: no images are set aside for validation, which trials are compared by; add "
            f"data.validation=0.1 (or compare by --metric train_loss)"
        )


def _share(threads: int | None, jobs: int) -> tuple[int, int]:
    """Threads in all, and processes that they suffice for."""
    from cnncli import runtime

    granted = runtime.threads(threads)
    if jobs > granted:
        warn(f"--jobs {jobs} with {granted} thread{'s' * (granted > 1)}: {granted} at a time")
    return granted, min(jobs, granted)


def _opening(folder: Path, trials: int, done: int, shares: Sequence[int]) -> str:
    text = f"{folder}: {trials} trial{'s' * (trials > 1)}"
    if done:
        text += f", {done} of them done before"
    if done == trials:
        return text
    least, most = min(shares), max(shares)
    threads = f"{least}" if least == most else f"{least} or {most}"
    return f"{text}; {len(shares)} at a time, with {threads} thread{'s' * (most > 1)}{' each' * (len(shares) > 1)}"
