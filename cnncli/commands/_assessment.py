"""What ``cnn eval`` says: as text for people, as JSON and CSV for scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from cnncli.assessment import Assessment
from cnncli.calibration import BINS, Reliability
from cnncli.commands._console import csv_row, json_number, loss_text, percent, table
from cnncli.datasets._files import shown
from cnncli.rejection import Rejection

MATRIX = 30  # classes up to which the confusion matrix is printed whole


def values(it: Assessment, top: int) -> dict[str, Any]:
    """The numbers, as cli.md names them, and what came later behind them."""
    found, scores = it.found, it.classes
    low, high = found.interval
    columns = [each.tolist() for each in (scores.images, scores.precision, scores.recall, scores.f1)]
    many = len(it.model.classes) > 5
    calibration = it.reliability
    return {
        "checkpoint": str(it.model.path),
        "data": it.data,
        "images": len(found.labels),
        "accuracy": found.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "loss": json_number(found.loss),
        "top5": found.top(5) if many else None,
        "classes": [
            {"name": name, "images": images, "precision": precision, "recall": recall, "f1": f1}
            for name, images, precision, recall, f1 in zip(it.model.classes, *columns, strict=True)
        ],
        "confusion": found.confusion.tolist(),
        **({f"top{top}": found.top(top)} if top != 5 else {}),
        "macro": it.macro._asdict(),
        "weighted": it.weighted._asdict(),
        "temperature": it.model.temperature or None,
        "ece": calibration and calibration.ece,
        "reliability": calibration and _bins(calibration),
        "confused": [
            {"true": it.model.classes[a], "predicted": it.model.classes[b], "images": images}
            for a, b, images in it.pairs
        ],
        "mistakes": [_image(it, index) for index in it.mistakes.tolist()],
        "suspects": [_image(it, index) for index in it.suspects.tolist()],
    }


def _image(it: Assessment, index: int) -> dict[str, Any]:
    image = it.image(index)
    return image | {key: json_number(image[key]) for key in ("probability", "label_probability")}


def rejection(found: Rejection) -> dict[str, Any]:
    """How many images to reject, for scripts."""
    return asdict(found) | {"gap": json_number(found.gap)}


def _bins(calibration: Reliability) -> list[dict[str, Any]]:
    """Those that are not empty."""
    return [
        {
            "above": k / BINS,
            "images": int(calibration.images[k]),
            "confidence": float(calibration.confidence[k]),
            "accuracy": float(calibration.accuracy[k]),
        }
        for k in np.flatnonzero(calibration.images).tolist()
    ]


def predictions(it: Assessment) -> bytes:
    """CSV, a row for each image: path, label, predicted, and the probability of every class."""

    def rows() -> Iterator[Sequence[object]]:
        yield "path", "label", "predicted", *it.model.classes
        for name, label, row in zip(it.images.names, it.found.labels, it.found.scores, strict=True):
            yield name, it.model.classes[label], it.model.classes[row.argmax()], *row

    return _csv(rows())


def confusion(it: Assessment) -> bytes:
    """CSV, a row for each true class, a column for each predicted one."""
    rows = ((name, *row) for name, row in zip(it.model.classes, it.found.confusion.tolist(), strict=True))
    return _csv([("true", *it.model.classes), *rows])


def _csv(rows: Iterator[Sequence[object]] | list[Sequence[object]]) -> bytes:
    return "".join(csv_row(row) + "\n" for row in rows).encode(errors="surrogateescape")


def text(it: Assessment, top: int, rejected: str, bins: bool) -> str:
    """The numbers for people; `rejected` is a line about images to reject, `bins` asks for the table of confidence."""
    found, classes = it.found, it.model.classes
    low, high = found.interval
    lines = [
        f"{it.model.path} on {it.data}: {len(found.labels):,} images, {len(classes)} classes",
        "",
        f"accuracy  {percent(found.accuracy)} (95 % interval {100 * low:.1f}-{100 * high:.1f})",
        f"loss      {loss_text(found.loss)}",
    ]
    if top < len(classes):
        lines.append(f"top {top:<6}{percent(found.top(top))}")
    if calibration := it.reliability:
        known = f", at temperature {it.model.temperature:.3g}" if it.model.temperature else ""
        lines.append(f"ECE       {percent(calibration.ece)} between confidence and accuracy, on average{known}")
    if rejected:
        lines.append(rejected)
    parts = ["\n".join(lines), _classes(it), _confusion(it)]
    if bins and calibration:
        parts.append(_reliability(calibration))
    if len(classes) > 2 and it.pairs:
        pairs = ", ".join(f"{classes[a]} as {classes[b]} ({images:,})" for a, b, images in it.pairs)
        parts.append(f"most often confused: {pairs}")
    if len(it.mistakes):
        parts.append(_images(it, "the surest mistakes", it.mistakes))
    if len(it.suspects):
        parts.append(_images(it, "labels that may be wrong", it.suspects))
    return "\n\n".join(parts)


def _classes(it: Assessment) -> str:
    scores = it.classes
    columns = zip(it.model.classes, scores.images, scores.precision, scores.recall, scores.f1, strict=True)
    rows = [(name, f"{images:,}", *map(percent, shares)) for name, images, *shares in columns]
    rows += [
        (f"{name} mean", "", *map(percent, average))
        for name, average in (("macro", it.macro), ("weighted", it.weighted))
    ]
    return table(("class", "images", "precision", "recall", "F1"), rows)


def _confusion(it: Assessment) -> str:
    """The matrix, where it fits a page."""
    classes = it.model.classes
    if len(classes) > MATRIX:
        return f"the confusion matrix of {len(classes)} classes is in --json and --confusion FILE"
    rows = [(name, *map(str, row)) for name, row in zip(classes, it.found.confusion.tolist(), strict=True)]
    return "confusion (rows are true classes, columns predicted ones)\n" + table(("", *classes), rows)


def _reliability(calibration: Reliability) -> str:
    rows = [
        (
            f"{100 * row['above']:.0f}-{100 * row['above'] + 100 / BINS:.0f} %",
            f"{row['images']:,}",
            percent(row["confidence"]),
            percent(row["accuracy"]),
        )
        for row in _bins(calibration)
    ]
    return "answers by their probability\n" + table(("probability", "images", "mean", "right"), rows)


def _images(it: Assessment, title: str, indices: np.ndarray) -> str:
    """A table of images, with their paths from the data set's folder on."""
    folder = it.data if os.path.isdir(it.data) else os.path.dirname(it.data)
    rows = [
        (
            shown(row["path"].removeprefix(os.path.join(folder, ""))),
            row["label"],
            row["predicted"],
            f"{row['probability']:.3f}",
            f"{row['label_probability']:.3f}",
        )
        for row in map(it.image, indices.tolist())
    ]
    return f"{title}\n" + table(("image", "label", "taken for", "with", "label has"), rows, left=3)
