"""Scores of any number of image files, in their order and in bounded memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cnncli.errors import CnnError
from cnncli.evaluation import divide
from cnncli.model import Model, stack
from cnncli.pipeline import ahead, processes
from cnncli.preprocessing import Preprocessing
from cnncli.process_group import ProcessGroup

if TYPE_CHECKING:
    from cnncli.datasets._images import Content

ALONE = 0.02  # seconds of decoding before other processes are asked to help: as long as it takes them to start
AT_ONCE = 0.005  # seconds of decoding in one go, beside which sending is nothing
MOST_AT_ONCE, BYTES_AT_ONCE = 64, 2**19  # images in one go, and their size once they are decoded, at most
AT_ONCE_EACH = 1024  # images that a process of a group answers before it tells the others


class Row(NamedTuple):
    """What is known about one image: its scores, or what is wrong with it."""

    path: str
    scores: np.ndarray | None = None
    error: str = ""


class Group(NamedTuple):
    """Some files, and whether their rows are wanted before the next path is there."""

    files: list[tuple[str, Content]]
    urgent: bool


def predictions(
    model: Model,
    paths: Iterable[str | None],
    content: Callable[[str], Content],
    workers: int,
    views: Sequence[str] = (),
) -> Iterator[list[Row]]:
    """Rows of all images, some at a time; processes decode the next ones while the network computes, if it is worth it.

    Parameters
    ----------
    model : Model
    paths : iterable of str or None
        None says that the next path may be long in coming: all before it is finished first.
    content : callable
        From a path to what there is to decode: the path of a file, bytes, or an error. Called by this process.
    workers : int
        Processes that decode, where there are more than a few images.
    views : sequence of str
        Views of each image to average over; see `cnncli.views`.
    """
    most = max(min(BYTES_AT_ONCE // math.prod(model.preprocessing.shape), MOST_AT_ONCE), 1)
    waiting: list[tuple[str, np.ndarray | CnnError]] = []
    files = (None if path is None else (path, content(path)) for path in paths)
    for group, images, errors in _decoded(model.preprocessing, files, most, workers):
        rest = iter(images)
        waiting += ((path, errors.get(place) or next(rest)) for place, (path, _) in enumerate(group.files))
        while len(waiting) >= model.at_once or (group.urgent and waiting):
            yield _rows(model, waiting[: model.at_once], views)
            del waiting[: model.at_once]
    if waiting:
        yield _rows(model, waiting, views)


def _groups(files: Iterable[tuple[str, Content] | None], each: Callable[[], int]) -> Iterator[Group]:
    """What is decoded in one go, so many as `each` says by then."""
    some: list[tuple[str, Content]] = []
    for file in files:
        if file is not None:
            some.append(file)
        if file is None or len(some) >= each():
            yield Group(some, urgent=file is None)
            some = []
    if some:
        yield Group(some, urgent=False)


class Decoded(NamedTuple):
    """A group's images, one below the other, and what is wrong with those that are missing, by their place."""

    group: Group
    images: np.ndarray
    errors: dict[int, CnnError]


def _decoded(
    preprocessing: Preprocessing, files: Iterable[tuple[str, Content] | None], most: int, workers: int
) -> Iterator[Decoded]:
    """All images in groups; by this process, until it is clear that there is work enough for others."""
    spent, done, each = 0.0, 0, 1
    make = partial(_decode_group, preprocessing)
    groups = _groups(files, lambda: each)
    for group in groups:
        began = time.perf_counter()
        made = make(group)
        spent, done = spent + time.perf_counter() - began, done + len(group.files)
        each = min(int(AT_ONCE * done / max(spent, 1e-9)) + 1, most)
        yield made
        if workers and spent > ALONE:
            yield from ahead(make, groups, workers, lambda group: group.urgent, processes)


def _decode_group(preprocessing: Preprocessing, group: Group) -> Decoded:
    from cnncli.datasets._images import look_at_each

    found = look_at_each(preprocessing.decode, group.files)
    errors = {place: error for place, error in enumerate(found) if isinstance(error, CnnError)}
    images = [image for image in found if not isinstance(image, CnnError)]
    return Decoded(group, stack(images) if images else np.empty(0), errors)


def _rows(model: Model, decoded: Sequence[tuple[str, np.ndarray | CnnError]], views: Sequence[str]) -> list[Row]:
    images = [image for _, image in decoded if not isinstance(image, CnnError)]
    scores = model.scores(stack(images), views) if images else np.empty((0, 0))
    finite = np.all(np.isfinite(scores), axis=1)
    answers = zip(scores, finite, strict=True)
    return [
        Row(path, error=str(image)) if isinstance(image, CnnError) else _row(path, *next(answers))
        for path, image in decoded
    ]


def _row(path: str, scores: np.ndarray, finite: bool) -> Row:
    if finite:
        return Row(path, scores)
    return Row(path, error="the network's outputs for this image are not finite numbers")


def divided(
    group: ProcessGroup, paths: Iterable[str | None], answer: Callable[[Iterable[str]], Iterable[list[Row]]]
) -> Iterator[list[Row]]:
    """What `answer` gives for paths, which rank 0 knows, with the work shared; all get all rows, in their order."""
    source = iter(paths)
    while some := group.share([] if group.rank else _round(source, AT_ONCE_EACH * group.size)):
        own, _ = divide(len(some), group)
        rows = list(chain.from_iterable(answer(some[own])))
        yield list(chain.from_iterable(group.all(rows)))


def _round(source: Iterator[str | None], most: int) -> list[str]:
    """The next paths, up to the one that may be long in coming."""
    some: list[str] = []
    for path in source:
        if path is not None:
            some.append(path)
        if len(some) == most or (path is None and some):
            break
    return some
