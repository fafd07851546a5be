"""Scores of any number of image files, in their order and in bounded memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from cnncli.errors import CnnError
from cnncli.evaluation import divide
from cnncli.model import BATCH, Model, stack
from cnncli.pipeline import ahead, processes
from cnncli.preprocessing import Preprocessing
from cnncli.process_group import ProcessGroup

if TYPE_CHECKING:
    from cnncli.datasets._images import Content

Part = TypeVar("Part")

ALONE = 0.03  # seconds of work before other processes are asked to help: longer than it takes them to start
AT_ONCE = 0.1  # seconds of decoding in one go, beside which sending is nothing, and lanes without images are little
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


class Found(NamedTuple):
    """What came of a group's files.

    Attributes
    ----------
    paths : list of str
    arrays : ndarray
        Images, later scores, of those that can be read, one below the other.
    errors : dict of int to CnnError
        What is wrong with the others, by their place.
    urgent : bool
    seconds : float
        That decoding took.
    """

    paths: list[str]
    arrays: np.ndarray
    errors: dict[int, CnnError]
    urgent: bool = False
    seconds: float = 0.0

    @classmethod
    def of(cls, each: Sequence[tuple[str, np.ndarray | CnnError]]) -> Found:
        """Images or errors in one."""
        images = [image for _, image in each if not isinstance(image, CnnError)]
        errors = {place: image for place, (_, image) in enumerate(each) if isinstance(image, CnnError)}
        return cls([path for path, _ in each], stack(images) if images else np.empty((0, 0)), errors)

    def each(self) -> Iterator[tuple[str, np.ndarray | CnnError]]:
        """Every path, with what came of it."""
        rest = iter(self.arrays)
        for place, path in enumerate(self.paths):
            yield path, self.errors.get(place) or next(rest)

    def scored(self, model: Model, views: Sequence[str]) -> Found:
        """The scores of these images."""
        return self._replace(arrays=model.scores(self.arrays, views)) if len(self.arrays) else self

    def rows(self) -> list[Row]:
        """What is told of these scores."""
        finite = iter(np.all(np.isfinite(self.arrays), axis=1).tolist())
        return [_row(path, scores, finite) for path, scores in self.each()]


def _row(path: str, scores: np.ndarray | CnnError, finite: Iterator[bool]) -> Row:
    if isinstance(scores, CnnError):
        return Row(path, error=str(scores))
    if next(finite):
        return Row(path, scores)
    return Row(path, error="the network's outputs for this image are not finite numbers")


def predictions(
    model: Model,
    paths: Iterable[str | None],
    content: Callable[[str], Content],
    workers: int,
    views: Sequence[str] = (),
) -> Iterator[list[Row]]:
    """Rows of all images, some at a time; processes share the work, if there is enough of it.

    Where the network's maps are small and there are as many processes as threads, they compute too, as one thread each.
    Large ones would take their memory in each process, and have work enough for the threads of this one, for which the
    others decode.

    Parameters
    ----------
    model : Model
        Computes with one thread from then on, where processes compute.
    paths : iterable of str or None
        None says that the next path may be long in coming: all before it is finished first.
    content : callable
        From a path to what there is to decode: the path of a file, bytes, or an error. Called by this process.
    workers : int
        Processes that share the work, where there are more than a few images; with 0 this one does it all.
    views : sequence of str
        Views of each image to average over; see `cnncli.views`.
    """
    files = (None if path is None else (path, content(path)) for path in paths)
    if workers == model.threads > 1 and model.at_once > BATCH:
        model.limit_threads(1)
        # what is there before there are other processes is theirs too, so that all share these weights
        ready = partial(model.network, BATCH)
        scored = _shared(partial(_answer, model, views), files, BATCH, workers, ready)
        yield from _collected(((found.rows(), found.urgent) for found in scored), model.at_once)
    else:
        most = max(min(BYTES_AT_ONCE // math.prod(model.preprocessing.shape), MOST_AT_ONCE), 1)
        decoded = _shared(partial(_decode, model.preprocessing), files, most, workers)
        for some in _collected(((list(found.each()), found.urgent) for found in decoded), model.at_once):
            yield Found.of(some).scored(model, views).rows()


def _shared(
    make: Callable[[Group], Found],
    files: Iterable[tuple[str, Content] | None],
    most: int,
    workers: int,
    ready: Callable[[], object] = lambda: None,
) -> Iterator[Found]:
    """What is made of groups of files, `most` at once; `ready` is called before other processes are there."""
    decoded, seconds, each = 0, 0.0, 1
    groups = _groups(files, lambda: each)
    for found in _made(make, groups, workers, ready):
        decoded, seconds = decoded + len(found.paths), seconds + found.seconds
        each = min(max(int(AT_ONCE * decoded / max(seconds, 1e-9)), 1), most)
        yield found


def _made(
    make: Callable[[Group], Found], groups: Iterator[Group], workers: int, ready: Callable[[], object]
) -> Iterator[Found]:
    """``map(make, groups)``, by this process until it is clear that others are worth it."""
    spent = 0.0
    for group in groups:
        began = time.perf_counter()
        found = make(group)
        spent += time.perf_counter() - began
        yield found
        if workers and spent > ALONE:
            ready()
            yield from ahead(make, groups, workers, lambda group: group.urgent, processes)


def _groups(files: Iterable[tuple[str, Content] | None], each: Callable[[], int]) -> Iterator[Group]:
    """What is done in one go, so many as `each` says by then."""
    some: list[tuple[str, Content]] = []
    for file in files:
        if file is not None:
            some.append(file)
        if file is None or len(some) >= each():
            yield Group(some, urgent=file is None)
            some = []
    if some:
        yield Group(some, urgent=False)


def _decode(preprocessing: Preprocessing, group: Group) -> Found:
    from cnncli.datasets._images import look_at_each

    began = time.perf_counter()
    images = look_at_each(preprocessing.decode, group.files)
    found = Found.of([(path, image) for (path, _), image in zip(group.files, images, strict=True)])
    return found._replace(urgent=group.urgent, seconds=time.perf_counter() - began)


def _answer(model: Model, views: Sequence[str], group: Group) -> Found:
    return _decode(model.preprocessing, group).scored(model, views)


def _collected(parts: Iterable[tuple[list[Part], bool]], most: int) -> Iterator[list[Part]]:
    """Lists as one, so many at a time, or less where they are urgent."""
    some: list[Part] = []
    for part, urgent in parts:
        some += part
        while len(some) >= most or (urgent and some):
            yield some[:most]
            del some[:most]
    if some:
        yield some


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
