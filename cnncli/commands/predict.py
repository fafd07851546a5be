"""``cnn predict``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _options
from cnncli.commands._console import csv_row, json_number, percent, result
from cnncli.commands._paths import STDIN, expanded, listed

if TYPE_CHECKING:
    import numpy as np

    from cnncli.model import Model

BATCH = 64  # images in memory at once


@dataclass(frozen=True)
class Row:
    """What is known about one image: its scores, or what is wrong with it."""

    path: str
    scores: np.ndarray | None = None
    error: str = ""


@click.command()
@click.argument("images", nargs=-1, metavar="IMAGE...")
@_options.file_path("--checkpoint", metavar="PATH", help="Checkpoint or run folder; by default the newest run's best.")
@click.option("--list", "listing", metavar="FILE", help="Read paths of images from this file, one a line; - is stdin.")
@click.option("--top-k", type=click.IntRange(min=1), default=1, show_default=True, metavar="K", help="Classes to show.")
@_options.threads
@_options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV on stdout, with the probabilities of all classes.")
def command(
    images: tuple[str, ...],
    checkpoint: Path | None,
    listing: str | None,
    top_k: int,
    threads: int | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Tell what images show: files, folders (with all below them), patterns, or - for one image from stdin.

    An image that cannot be read becomes a row with an error; the others are done, and the exit code is 65.
    """
    if not images and listing is None:
        raise click.UsageError("name an image, a folder, or --list FILE")
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if listing == STDIN and STDIN in images:
        raise click.UsageError("stdin can hold the list or an image, not both")
    from cnncli.commands._checkpoint import load_model
    from cnncli.errors import DataError

    paths = [*expanded(images), *(listed(listing) if listing is not None else ())]
    if not paths:
        raise DataError("there are no images here")
    model = load_model(checkpoint, threads)
    if as_csv:
        result(csv_row(["path", "label", "probability", *model.classes, "error"]))
        line = partial(_csv, model)
    elif as_json:
        line = partial(_json, model, top_k)
    else:
        line = partial(_text, model, top_k, min(max(map(len, paths)), 60))
    failed = 0
    for rows in _rows(model, paths):
        result("\n".join(map(line, rows)))
        failed += sum(row.scores is None for row in rows)
    if failed:
        raise DataError(f"{failed:,} of {len(paths):,} images cannot be read")


def _rows(model: Model, paths: Sequence[str]) -> Iterator[list[Row]]:
    """Rows of all images in order, some at a time."""
    from cnncli.errors import CnnError
    from cnncli.model import stack

    for first in range(0, len(paths), BATCH):
        rows: list[Row] = []
        decoded: list[np.ndarray] = []
        for path in paths[first : first + BATCH]:
            try:
                decoded.append(_decode(model, path))
                rows.append(Row(path))
            except CnnError as error:
                rows.append(Row(path, error=_without_path(str(error), path)))
        scores = iter(model.scores(stack(decoded)) if decoded else ())
        yield [row if row.error else Row(row.path, next(scores)) for row in rows]


def _decode(model: Model, path: str) -> np.ndarray:
    from cnncli.datasets._images import MAX_BYTES

    source = sys.stdin.buffer.read(MAX_BYTES + 1) if path == STDIN else path
    return model.preprocessing.decode(source, name=path)


def _without_path(message: str, path: str) -> str:
    from cnncli.datasets._files import shown

    return message.removeprefix(f"{shown(path)}: ")


def _text(model: Model, top_k: int, width: int, row: Row) -> str:
    """A line for people."""
    from cnncli.datasets._files import shown

    path = shown(row.path).ljust(width)
    if row.scores is None:
        return f"{path}  error: {row.error}"
    show = percent if model.probabilities else "{:.4g}".format
    name_width = max(map(len, model.classes))
    best = [f"{model.classes[k]:<{name_width}}  {show(row.scores[k]):>7}" for k in _best(row.scores, top_k)]
    return "  ".join([path, *best])


def _json(model: Model, top_k: int, row: Row) -> str:
    """A line for scripts."""
    if row.scores is None:
        return json.dumps({"path": row.path, "error": row.error})
    top = [{"label": model.classes[k], "probability": json_number(row.scores[k])} for k in _best(row.scores, top_k)]
    return json.dumps({"path": row.path, **top[0], "top": top})


def _csv(model: Model, row: Row) -> str:
    """A line for tables."""
    if row.scores is None:
        return csv_row([row.path, "", "", *[""] * len(model.classes), row.error])
    best = row.scores.argmax()
    return csv_row([row.path, model.classes[best], row.scores[best], *row.scores, ""])


def _best(scores: np.ndarray, count: int) -> list[int]:
    """The classes with the highest scores, of equal ones the first."""
    best: list[int] = (-scores).argsort(kind="stable")[:count].tolist()
    return best
