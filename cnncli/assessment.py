"""All that can be said about what a network makes of a labelled set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cnncli import metrics
from cnncli.calibration import Reliability, reliability
from cnncli.datasets._decoded import Images
from cnncli.datasets.base import Dataset
from cnncli.evaluation import Evaluation
from cnncli.metrics import Average, ClassScores
from cnncli.mistakes import Pair, confused_pairs, suspects, worst
from cnncli.model import Model

LISTED = 12  # mistakes in a report


@dataclass(frozen=True)
class Assessment:
    """Numbers and lists for reports.

    Attributes
    ----------
    model : Model
    data : str
        Where the images come from.
    images : Images
    found : Evaluation
    listed : int
        Mistakes and doubtful labels to list, and pairs of classes.
    """

    model: Model
    data: str
    images: Images
    found: Evaluation
    listed: int

    @cached_property
    def classes(self) -> ClassScores:
        return metrics.class_scores(self.found.confusion)

    @property
    def macro(self) -> Average:
        return metrics.macro(self.classes)

    @property
    def weighted(self) -> Average:
        return metrics.weighted(self.classes)

    @cached_property
    def reliability(self) -> Reliability | None:
        """How far probabilities are right; None where scores are none, or are no numbers."""
        if not self.model.probabilities or not np.isfinite(self.found.scores).all():
            return None
        return reliability(self.found.scores, self.found.labels)

    @property
    def pairs(self) -> list[Pair]:
        """The most frequent confusions."""
        return confused_pairs(self.found.confusion, self.listed)

    @property
    def mistakes(self) -> np.ndarray:
        """Numbers of the images whose wrong answer the network is surest of."""
        return worst(self.found.scores, self.found.labels, self.listed)

    @property
    def suspects(self) -> np.ndarray:
        """Numbers of the images whose label may be wrong."""
        if not self.model.probabilities:
            return np.empty(0, np.int64)
        return suspects(self.found.scores, self.found.labels, self.listed)

    def image(self, index: int) -> dict[str, Any]:
        """One image: where it is, its label, what it is taken for, and the scores of both."""
        row, label = self.found.scores[index], int(self.found.labels[index])
        guess = int(row.argmax())
        return {
            "path": self.images.names[index],
            "label": self.model.classes[label],
            "predicted": self.model.classes[guess],
            "probability": float(str(row[guess])),
            "label_probability": float(str(row[label])),
        }


def assess(model: Model, part: Dataset, listed: int) -> Assessment:
    """Evaluate a network on a labelled part."""
    return of_images(model, str(part.path), model.preprocessing.load(part, model.classes), listed)


def of_images(model: Model, data: str, images: Images, listed: int) -> Assessment:
    """Evaluate a network on decoded images, which come from `data`."""
    return Assessment(model, data, images, model.evaluate(images.images, images.labels), listed)
