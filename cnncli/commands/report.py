"""``cnn report``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _decoding, _options
from cnncli.commands._console import note, result

if TYPE_CHECKING:
    from cnncli.assessment import Assessment
    from cnncli.datasets._reading import Reading
    from cnncli.model import Model

VALIDATION = "the validation images"


@click.command()
@click.argument("run", required=False, type=click.Path(path_type=Path))
@_options.file_path("--data", metavar="PATH", help="Labelled images to judge it by, instead of the run's test part.")
@_options.file_path("-o", "--output", metavar="FILE", help="Where the page goes; by default RUN/report.html.")
@_options.threads
@_decoding.workers()
@_decoding.no_cache
def command(
    run: Path | None, data: Path | None, output: Path | None, threads: int | None, workers: int | None, no_cache: bool
) -> None:
    """Write a page of HTML about RUN, a run folder or checkpoint: curves, classes, mistakes, layers, config.

    It is one file that needs no network. It is judged on the run's test images, else on those set aside for validation.
    Without RUN the newest one under runs/ is taken.
    """
    from cnncli.assessment import LISTED, assess
    from cnncli.commands._checkpoint import load_model
    from cnncli.commands._output import write_output
    from cnncli.commands._part import part_to_test
    from cnncli.errors import CnnError
    from cnncli.reporting.report import NAME, check, report

    check()
    model = load_model(run, threads)
    reading = _decoding.reading(model.threads, workers, no_cache)
    found: Assessment | None
    try:
        found = assess(model, part_to_test(model, data, reading), LISTED)
    except CnnError as error:
        if data:
            raise
        note(f"no test images: {error}")
        found = _on_validation(model, reading)
    folder = model.path.parent if (model.path.parent / "metrics.jsonl").exists() else None
    path = output or (folder or Path()) / NAME
    write_output(path, report(model, folder, found).encode())
    result(f"{model.path} described in {path}")


def _on_validation(model: Model, reading: Reading) -> Assessment | None:
    """On the images that were set aside, if any were, and are still there."""
    from cnncli.assessment import LISTED, of_images
    from cnncli.calibration import validation_images
    from cnncli.errors import CnnError

    with suppress(CnnError):
        return of_images(model, VALIDATION, validation_images(model, reading), LISTED)
    return None
