"""Two trained networks on the same images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnncli.changes import Change, changes
from cnncli.datasets._decoded import Skipped
from cnncli.datasets.base import Dataset
from cnncli.errors import DataError
from cnncli.evaluation import Evaluation
from cnncli.model import Model
from cnncli.plots import Line, Panel, above
from cnncli.significance import difference_interval, discordant, mcnemar
from cnncli.spec import resolved

HIGH = 5.0  # times the median: the first epochs, which would flatten the rest, are cut off there


@dataclass(frozen=True)
class Comparison:
    """What two networks, called A and B, make of the same images.

    Attributes
    ----------
    first, second : Evaluation
    only_first, only_second : int
        Images that only one of them gets right.
    p_value : float
        McNemar's exact test.
    low, high : float
        95 % interval of B's accuracy less A's.
    changes : list of Change
        Where their configs differ.
    skipped : tuple of Skipped
        Images that could not be read.
    """

    first: Evaluation
    second: Evaluation
    only_first: int
    only_second: int
    p_value: float
    low: float
    high: float
    changes: list[Change]
    skipped: tuple[Skipped, ...]


def compare(first: Model, second: Model, part: Dataset) -> Comparison:
    """Evaluate both on a labelled part.

    Raises
    ------
    DataError
        Their classes differ.
    """
    if set(first.classes) != set(second.classes):
        known = "; ".join(", ".join(model.classes) for model in (first, second))
        raise DataError(f"{first.path} and {second.path} know different classes: {known}")
    (one, skipped), (other, _) = (_answers(model, part) for model in (first, second))
    right = one.right, other.right
    only_first, only_second = discordant(*right)
    low, high = difference_interval(*right)
    differences = list(changes(resolved(first.spec), resolved(second.spec)))
    return Comparison(one, other, only_first, only_second, mcnemar(*right), low, high, differences, skipped)


def _answers(model: Model, part: Dataset) -> tuple[Evaluation, tuple[Skipped, ...]]:
    images = model.preprocessing.load(part, model.classes)
    return model.evaluate(images.images, images.labels), images.skipped


def curves(histories: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[Panel]:
    """Error and loss by epoch of several runs, in validation and training, where all of them have it."""
    for what in ("accuracy", "loss"):
        for part in ("validation", "train"):
            key = f"{part}_{what}"
            if not all(history and key in history[0] for history in histories):
                continue
            values = [[float(row[key]) for row in history] for history in histories]
            if what == "accuracy":
                values = [[1 - value for value in each] for each in values]
            every = np.concatenate(values)
            top = above(min(every.max(), HIGH * float(np.median(every))))
            lines = []
            for history, each in zip(histories, values, strict=True):
                y = [min(value, top) for value in each]
                lines.append(Line([row["epoch"] for row in history], y, y, y, dots=len(y) < 2))
            title = f"{'training' if part == 'train' else part} {'error' if what == 'accuracy' else 'loss'}"
            yield Panel(title, "epoch", lines, top, share=what == "accuracy")
