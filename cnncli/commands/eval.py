"""``cnn eval``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _decoding, _options
from cnncli.commands._console import csv_row, json_number, loss_text, percent, result, result_json, table, warn

if TYPE_CHECKING:
    from cnncli.datasets.base import Dataset, Images
    from cnncli.evaluation import Evaluation
    from cnncli.model import Model
    from cnncli.rejection import Rejection

MATRIX = 30  # classes up to which the confusion matrix is printed whole
PAIRS = 20  # confusions listed where it is not


@click.command()
@click.argument("checkpoint", required=False, type=click.Path(path_type=Path))
@_options.file_path("--data", metavar="PATH", help="Labelled images to evaluate on, instead of the run's test part.")
@_options.file_path("--predictions", metavar="FILE", help="Write every image's probabilities to this CSV file.")
@click.option(
    "--reject", "rejects", is_flag=True, help="Tell how many images to reject so that 1 % of the rest is wrong."
)
@_options.batch_size(64, "Images computed at once; changes no result.")
@_options.threads
@_decoding.workers
@_decoding.no_cache
@_options.as_json
def command(
    checkpoint: Path | None,
    data: Path | None,
    predictions: Path | None,
    rejects: bool,
    batch_size: int,
    threads: int | None,
    workers: int | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Evaluate CHECKPOINT, a file or a run folder, on labelled images.

    Without CHECKPOINT the newest run's best one under runs/ is taken.
    """
    from cnncli.commands._checkpoint import load_model
    from cnncli.commands._part import part_to_test
    from cnncli.evaluation import evaluate
    from cnncli.rejection import reject

    model = load_model(checkpoint, threads)
    part = part_to_test(model, data, _decoding.reading(model.threads, workers, no_cache))
    images = model.preprocessing.load(part, model.classes)
    for image in images.skipped:
        warn(f"skipped: {image.reason}")
    found = evaluate(model.network(batch_size), model.preprocessing, images.images, images.labels)
    if predictions:
        from cnncli.commands._output import write_output

        write_output(predictions, _csv(model, images, found))
    rejection = reject(found.scores, found.labels) if rejects else None
    if as_json:
        extra = {"reject": _rejection(rejection)} if rejection else {}
        result_json(_values(model, part, found) | extra)
    else:
        result(_text(model, part, found, rejection))


def _csv(model: Model, images: Images, found: Evaluation) -> bytes:
    """A row for each image: path, label, predicted, and the probability of every class."""

    def rows() -> Iterator[Sequence[object]]:
        yield "path", "label", "predicted", *model.classes
        for name, label, row in zip(images.names, images.labels, found.scores, strict=True):
            yield name, model.classes[label], model.classes[row.argmax()], *row

    return "".join(csv_row(row) + "\n" for row in rows()).encode(errors="surrogateescape")


def _values(model: Model, part: Dataset, found: Evaluation) -> dict[str, Any]:
    from cnncli import metrics

    low, high = found.interval
    scores = metrics.class_scores(found.confusion)
    columns = [scores.images.tolist(), scores.precision.tolist(), scores.recall.tolist(), scores.f1.tolist()]
    return {
        "checkpoint": str(model.path),
        "data": str(part.path),
        "images": len(found.labels),
        "accuracy": found.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": json_number(found.loss),
        "top5": found.top5 if len(model.classes) > 5 else None,
        "classes": [
            {"name": name, "images": images, "precision": precision, "recall": recall, "f1": f1}
            for name, images, precision, recall, f1 in zip(model.classes, *columns, strict=True)
        ],
        "confusion": found.confusion.tolist(),
    }


def _rejection(rejection: Rejection) -> dict[str, Any]:
    return asdict(rejection) | {"gap": json_number(rejection.gap)}


def _text(model: Model, part: Dataset, found: Evaluation, rejection: Rejection | None) -> str:
    from cnncli import metrics

    low, high = found.interval
    scores = metrics.class_scores(found.confusion)
    lines = [
        f"{model.path} on {part.path}: {len(found.labels):,} images, {len(model.classes)} classes",
        "",
        f"accuracy  {percent(found.accuracy)} (95 % interval {100 * low:.1f}-{100 * high:.1f})",
        f"loss      {loss_text(found.loss)}",
    ]
    if len(model.classes) > 5:
        lines.append(f"top 5     {percent(found.top5)}")
    if rejection:
        lines.append(f"reject    {percent(rejection.share)} {_kept(rejection)}")
    columns = zip(model.classes, scores.images, scores.precision, scores.recall, scores.f1, strict=True)
    rows = [(name, f"{images:,}", *map(percent, shares)) for name, images, *shares in columns]
    lines += ["", table(("class", "images", "precision", "recall", "F1"), rows), "", _confusion(model.classes, found)]
    return "\n".join(lines)


def _kept(rejection: Rejection) -> str:
    if not rejection.kept:
        return "(nothing less leaves 1 % wrong)"
    return (
        f"(two largest scores closer than {rejection.gap:.4g}), "
        f"{rejection.errors:,} of the other {rejection.kept:,} are wrong"
    )


def _confusion(classes: Sequence[str], found: Evaluation) -> str:
    """The matrix, or of many classes what is taken for what most often."""
    if len(classes) <= MATRIX:
        rows = [(name, *map(str, row)) for name, row in zip(classes, found.confusion.tolist(), strict=True)]
        return "confusion (rows are true classes, columns predicted ones)\n" + table(("", *classes), rows)
    pairs = [
        (int(count), true, predicted)
        for true, row in enumerate(found.confusion)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1:]))
    rows = [(classes[true], classes[predicted], f"{count:,}") for count, true, predicted in pairs[:PAIRS]]
    return "most frequent confusions (--json has all)\n" + table(("true", "predicted", "images"), rows, left=2)
