"""``cnn eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _decoding, _options
from cnncli.commands._console import note, percent, result, result_json, warn
from cnncli.commands._requirement import Requirement, RequirementType, check

if TYPE_CHECKING:
    from cnncli.datasets._reading import Reading
    from cnncli.model import Model
    from cnncli.rejection import Rejection


@click.command()
@click.argument("checkpoint", required=False, type=click.Path(path_type=Path))
@_options.file_path("--data", metavar="PATH", help="Labelled images to evaluate on, instead of the run's test part.")
@_options.file_path("--predictions", metavar="FILE", help="Write every image's probabilities to this CSV file.")
@_options.file_path("--confusion", metavar="FILE", help="Write the confusion matrix to this CSV file.")
@click.option(
    "--top-k",
    "top",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="K",
    help="Count an answer as right too if the class is among the K likeliest.",
)
@click.option(
    "--mistakes",
    "listed",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="List so many mistakes, doubtful labels and pairs of classes.",
)
@click.option("--reliability", "bins", is_flag=True, help="Show how often answers of each probability are right.")
@click.option(
    "--reject", "rejects", is_flag=True, help="Tell how many images to reject so that 1 % of the rest is wrong."
)
@_options.views
@click.option(
    "--calibrate",
    is_flag=True,
    help="First find the temperature that makes probabilities right on the run's validation images, and store it.",
)
@click.option(
    "--require",
    "requirements",
    type=RequirementType(),
    multiple=True,
    metavar="'NAME>=X'",
    help="Exit with 1 unless this holds of a number in --json, such as 'accuracy>=0.97' or 'macro.f1>0.9'.",
)
@_options.batch_size(64, "Images computed at once; changes no result.")
@_options.threads
@_decoding.workers()
@_decoding.no_cache
@_options.as_json
def command(
    checkpoint: Path | None,
    data: Path | None,
    predictions: Path | None,
    confusion: Path | None,
    top: int,
    listed: int,
    bins: bool,
    rejects: bool,
    views: tuple[str, ...],
    calibrate: bool,
    requirements: tuple[Requirement, ...],
    batch_size: int,
    threads: int | None,
    workers: int | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Evaluate CHECKPOINT, a file or a run folder, on labelled images.

    Without CHECKPOINT the newest run's best one under runs/ is taken.
    """
    from cnncli import launch
    from cnncli.assessment import Assessment
    from cnncli.commands import _assessment
    from cnncli.commands._checkpoint import load_model
    from cnncli.commands._output import write_output
    from cnncli.commands._part import part_to_test
    from cnncli.rejection import reject

    group = launch.join()
    model = load_model(checkpoint, threads)
    reading = _decoding.reading(model.threads, workers, no_cache)
    if calibrate:
        if not group.rank:
            _calibrate(model, reading)
        model.temperature = group.share(model.temperature)
    part = part_to_test(model, data, reading)
    with group.first_alone():  # what it has decoded and kept on the disk need not be decoded again
        images = model.preprocessing.load(part, model.classes)
    for image in images.skipped:
        warn(f"skipped: {image.reason}")
    found = model.evaluate(images.images, images.labels, batch_size, views, group)
    it = Assessment(model, str(part.path), images, found, listed)
    if predictions:
        write_output(predictions, _assessment.predictions(it))
    if confusion:
        write_output(confusion, _assessment.confusion(it))
    rejection = reject(found.scores, found.labels) if rejects else None
    values = _assessment.values(it, top)
    if rejection:
        values["reject"] = _assessment.rejection(rejection)
    if as_json:
        result_json(values)
    else:
        result(_assessment.text(it, top, _rejected(rejection) if rejection else "", bins))
    check(requirements, values)


def _calibrate(model: Model, reading: Reading) -> None:
    from cnncli.calibration import calibrate

    done = calibrate(model, reading)
    note(
        f"calibrated on {done.images:,} validation images: temperature {done.temperature:.4g}, "
        f"loss {done.before:.4f} -> {done.after:.4f}, ECE {percent(done.ece_before)} -> {percent(done.ece_after)}; "
        f"stored in {model.path}"
    )


def _rejected(rejection: Rejection) -> str:
    kept = "(nothing less leaves 1 % wrong)"
    if rejection.kept:
        kept = (
            f"(two largest scores closer than {rejection.gap:.4g}), "
            f"{rejection.errors:,} of the other {rejection.kept:,} are wrong"
        )
    return f"reject    {percent(rejection.share)} {kept}"
