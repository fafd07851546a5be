"""Scores of any number of image files, in their order and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from cnncli.errors import CnnError
from cnncli.evaluation import divide
from cnncli.model import Model, stack
from cnncli.process_group import ProcessGroup

FEW = 8  # images that are done before a thread has begun
AT_ONCE = 8  # images that are decoded in one go
AT_ONCE_EACH = 1024  # images that a process of a group answers before it tells the others


@dataclass(frozen=True)
class Row:
    """What is known about one image: its scores, or what is wrong with it."""

    path: str
    scores: np.ndarray | None = None
    error: str = ""


@dataclass(frozen=True)
class Group:
    """Some paths; whether their rows are wanted before the next path is there; and the images, once decoded."""

    paths: list[str]
    urgent: bool
    images: Sequence[np.ndarray | CnnError] = ()


def predictions(
    model: Model,
    paths: Iterable[str | None],
    decode: Callable[[str], np.ndarray],
    workers: int,
    views: Sequence[str] = (),
) -> Iterator[list[Row]]:
    """Rows of all images, some at a time; threads decode the next ones while the network computes, if it is worth it.

    Parameters
    ----------
    model : Model
    paths : iterable of str or None
        None says that the next path may be long in coming: all before it is finished first.
    decode : callable
        From a path to an image as the network wants it; raises CnnError.
    workers : int
        Threads that decode, where there are more than a few images and they are not small.
    views : sequence of str
        Views of each image to average over; see `cnncli.views`.
    """

    def decoded(group: Group) -> Group:
        images: list[np.ndarray | CnnError] = []
        for path in group.paths:
            try:
                images.append(decode(path))
            except CnnError as error:
                images.append(error)
        return replace(group, images=images)

    source = iter(paths)
    first: list[str | None] = []
    for path in source:
        first.append(path)
        if path is None or len(first) > FEW:
            break
    many = len(first) > FEW or None in first
    groups = _groups(chain(first, source))
    made: Iterator[Group] = map(decoded, groups)
    if workers and many:
        from cnncli.datasets._reading import Reading

        made = Reading(workers).in_order(decoded, groups, lambda group: group.urgent)
    waiting: list[tuple[str, np.ndarray | CnnError]] = []
    for group in made:
        waiting += zip(group.paths, group.images, strict=True)
        while len(waiting) >= model.at_once or (group.urgent and waiting):
            yield _rows(model, waiting[: model.at_once], views)
            del waiting[: model.at_once]
    if waiting:
        yield _rows(model, waiting, views)


def _groups(paths: Iterator[str | None]) -> Iterator[Group]:
    """What a thread is given at a time."""
    some: list[str] = []
    for path in paths:
        if path is not None:
            some.append(path)
        if path is None or len(some) == AT_ONCE:
            yield Group(some, urgent=path is None)
            some = []
    if some:
        yield Group(some, urgent=False)


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
