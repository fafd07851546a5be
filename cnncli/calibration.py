"""Whether probabilities mean what they say, and making them do so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnncli.datasets._decoded import Images
from cnncli.datasets._reading import Reading
from cnncli.datasets.base import Dataset
from cnncli.errors import DataError
from cnncli.experiment import ASIDE
from cnncli.model import Model
from cnncli.parts import Parts
from cnncli.runs import held
from cnncli.temperature_scaling import fit_temperature

BINS = 15


@dataclass(frozen=True)
class Reliability:
    """Predictions by their confidence, in bins of equal width: bin k holds those in (k/K, (k+1)/K].

    Attributes
    ----------
    images : ndarray of int64, shape (bins,)
    confidence : ndarray of float64, shape (bins,)
        Mean probability of the predicted class; 0 where a bin is empty.
    accuracy : ndarray of float64, shape (bins,)
        Share of the predictions that are right; 0 where a bin is empty.
    """

    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance between confidence and accuracy, each bin by its images.

        References
        ----------
        Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, equation 3.
        """
        return float((self.images * np.abs(self.confidence - self.accuracy)).sum() / max(self.images.sum(), 1))


def reliability(scores: np.ndarray, labels: np.ndarray, bins: int = BINS) -> Reliability:
    """Compare how sure a network is with how often it is right.

    Parameters
    ----------
    scores : ndarray, shape (images, classes)
        Probabilities.
    labels : ndarray of int, shape (images,)
    bins : int
    """
    confidence = scores.max(axis=1).astype(np.float64)
    right = scores.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    images = np.bincount(place, minlength=bins)
    some = np.maximum(images, 1)
    return Reliability(
        images,
        np.bincount(place, confidence, minlength=bins) / some,
        np.bincount(place, right, minlength=bins) / some,
    )


@dataclass(frozen=True)
class Calibration:
    """A temperature, from so many images, and what it changes there: mean loss and expected calibration error."""

    temperature: float
    images: int
    before: float
    after: float
    ece_before: float
    ece_after: float


def calibrate(model: Model, reading: Reading | None = None) -> Calibration:
    """Fit a temperature to the validation images of the run that a network comes from, and store it in its checkpoint.

    Raises
    ------
    DataError
        The run set no images aside, or they give no temperature; or the network's scores are no probabilities.
    RunInUse
        The run is in training.
    """
    if not model.probabilities:
        raise DataError(
            f"{model.path}: under a squared error scores are no probabilities, so there is nothing to calibrate"
        )
    images = validation_images(model, reading)
    with held(model.path.parent):
        model.temperature = 0.0
        found = model.evaluate(images.images, images.labels)
        temperature = fit_temperature(found.scores, images.labels)
        model.save_temperature(temperature)
    after = model.evaluate(images.images, images.labels)
    before_ece, after_ece = (reliability(each.scores, images.labels).ece for each in (found, after))
    return Calibration(temperature, len(images), found.loss, after.loss, before_ece, after_ece)


def validation_images(model: Model, reading: Reading | None = None) -> Images:
    """The images that were set aside when a network was trained; DataError where none were."""
    parts = Parts.open(model.spec.data, reading)
    aside = model.tensor(ASIDE)
    part = parts.train if aside is not None else parts.validation
    if not isinstance(part, Dataset):
        raise DataError(f"{model.path}: its run had no validation images; train with data.validation=0.1, say")
    return model.preprocessing.load(part, model.classes, aside)
