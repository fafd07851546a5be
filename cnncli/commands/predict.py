"""``cnn predict``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _decoding, _options
from cnncli.commands._console import csv_row, json_number, percent, result
from cnncli.commands._paths import STDIN, expanded, listed

if TYPE_CHECKING:
    import numpy as np

    from cnncli.datasets._images import Content
    from cnncli.model import Model
    from cnncli.prediction import Row

WIDEST = 60  # characters of the column of paths


@click.command()
@click.argument("images", nargs=-1, metavar="IMAGE...", type=click.Path(allow_dash=True))
@_options.file_path("--checkpoint", metavar="PATH", help="Checkpoint or run folder; by default the newest run's best.")
@click.option("--list", "listing", metavar="FILE", help="Read paths of images from this file, one a line; - is stdin.")
@click.option("--top-k", type=click.IntRange(min=1), default=1, show_default=True, metavar="K", help="Classes to show.")
@click.option(
    "--reject-below",
    "limit",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="P",
    help="Give no label where no class has at least this probability.",
)
@_options.views
@_options.threads
@_decoding.workers("Processes that share the images, where they are many")
@_options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV on stdout, with the probabilities of all classes.")
def command(
    images: tuple[str, ...],
    checkpoint: Path | None,
    listing: str | None,
    top_k: int,
    limit: float,
    views: tuple[str, ...],
    threads: int | None,
    workers: int | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Tell what images show: files, folders (with all below them), patterns, or - for one image from stdin.

    An image that cannot be read becomes a row with an error, as does one for which the network's outputs are no finite
    numbers; the others are done, and the exit code is 65.
    """
    if not images and listing is None:
        raise click.UsageError("name an image, a folder, or --list FILE")
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if listing == STDIN and STDIN in images:
        raise click.UsageError("stdin can hold the list or an image, not both")
    from cnncli import launch
    from cnncli.commands._checkpoint import load_model
    from cnncli.errors import DataError
    from cnncli.prediction import divided, predictions

    group = launch.join()
    paths = chain(expanded(images), listed(listing) if listing is not None else ())
    model = load_model(checkpoint, threads)
    if limit and not model.probabilities:
        raise click.UsageError("--reject-below: under a squared error scores are no probabilities")
    show = _Lines(model, top_k, limit)
    line = show.json
    if as_csv:
        result(csv_row(["path", "label", "probability", *model.classes, "error"]))
        line = show.csv
    elif not as_json:
        line = show.text
    done = failed = 0
    if workers is None:
        workers = 0 if group.size > 1 else model.threads  # the processes of a group take no others to help
    answer = partial(predictions, model, content=_content, workers=workers, views=views)
    for rows in divided(group, paths, answer) if group.size > 1 else answer(paths):
        show.fit(rows)
        result("\n".join(map(line, rows)))
        done, failed = done + len(rows), failed + sum(row.scores is None for row in rows)
    if not done:
        raise DataError("there are no images here")
    if failed:
        raise DataError(f"{failed:,} of {done:,} images failed; their rows say why")


def _content(path: str) -> Content:
    """What there is to decode: the file, or what standard input holds."""
    if path != STDIN:
        return path
    from cnncli.datasets._images import MAX_BYTES
    from cnncli.errors import DataError

    if not sys.stdin:
        return DataError("-: standard input is closed")
    return sys.stdin.buffer.read(MAX_BYTES + 1)


class _Lines:
    """How a row is shown.

    Parameters
    ----------
    model : Model
    top_k : int
        Classes to show.
    limit : float
        Images whose best class has less than this get no label.
    """

    def __init__(self, model: Model, top_k: int, limit: float) -> None:
        self._model, self._top_k, self._limit = model, top_k, limit
        self._width = 0
        longest = max(map(len, model.classes))
        self._names = [name.ljust(longest) for name in model.classes]
        self._number = percent if model.probabilities else "{:.4g}".format

    def fit(self, rows: Sequence[Row]) -> None:
        """Make the column of paths wide enough, within reason."""
        self._width = min(max(self._width, *(len(row.path) for row in rows)), WIDEST)

    def text(self, row: Row) -> str:
        """For people."""
        from cnncli.datasets._files import shown

        path = shown(row.path).ljust(self._width)
        if row.scores is None:
            return f"{path}  error: {_without_path(row)}"
        scores = row.scores.tolist()
        best = [f"{self._names[k]}  {self._number(scores[k]):>7}" for k in _best(row.scores, self._top_k)]
        return "  ".join([path, *best, *(["rejected"] if self._rejects(row.scores) else [])])

    def json(self, row: Row) -> str:
        """For scripts."""
        if row.scores is None:
            return json.dumps({"path": row.path, "error": _without_path(row)})
        classes = self._model.classes
        top = [{"label": classes[k], "probability": json_number(row.scores[k])} for k in _best(row.scores, self._top_k)]
        values = {"path": row.path, **top[0], "top": top}
        if self._rejects(row.scores):
            values |= {"label": None, "rejected": True}
        return json.dumps(values)

    def csv(self, row: Row) -> str:
        """For tables."""
        if row.scores is None:
            return csv_row([row.path, "", "", *[""] * len(self._model.classes), _without_path(row)])
        best = row.scores.argmax()
        label = "" if self._rejects(row.scores) else self._model.classes[best]
        return csv_row([row.path, label, row.scores[best], *row.scores, ""])

    def _rejects(self, scores: np.ndarray) -> bool:
        return bool(scores.max() < self._limit)


def _without_path(row: Row) -> str:
    from cnncli.datasets._files import shown

    return row.error.removeprefix(f"{shown(row.path)}: ")


def _best(scores: np.ndarray, count: int) -> list[int]:
    """The classes with the highest scores, of equal ones the first."""
    if count == 1:
        return [int(scores.argmax())]
    best: list[int] = (-scores).argsort(kind="stable")[:count].tolist()
    return best
