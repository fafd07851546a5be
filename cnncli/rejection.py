"""How many images a network must refuse to name so that it is right about the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rejection:
    """What refusing the least certain images comes to.

    Attributes
    ----------
    share : float
        Of the images that are rejected.
    gap : float
        Images are kept whose two largest scores differ by at least this much; infinite where all are rejected.
    kept, errors : int
        Images that are left, and the wrong ones among them.
    """

    share: float
    gap: float
    kept: int
    errors: int


def reject(scores: np.ndarray, labels: np.ndarray, limit: float = 0.01) -> Rejection:
    """The smallest rejection that leaves at most a share of `limit` wrong among the images kept.

    Images are rejected in the order of the gap between their two largest scores; equal gaps together.

    Parameters
    ----------
    scores : ndarray, shape (images, classes)
    labels : ndarray of int, shape (images,)
    limit : float

    References
    ----------
    LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural Computation 1(4), 1989.
    """
    largest = np.sort(scores, axis=1)[:, -2:].astype(np.float64)
    gaps = largest[:, 1] - largest[:, 0]
    order = np.argsort(-gaps, kind="stable")
    gaps = gaps[order]
    errors = np.cumsum(scores.argmax(axis=1)[order] != labels[order])
    kept = np.arange(1, len(gaps) + 1)
    whole = np.append(gaps[1:] < gaps[:-1], True)[: len(gaps)]  # no equal gap behind it
    allowed = np.flatnonzero(whole & (errors <= limit * kept))
    if not len(allowed):
        return Rejection(1.0 if len(gaps) else 0.0, float("inf"), 0, 0)
    last = allowed[-1]
    return Rejection(1 - int(kept[last]) / len(gaps), float(gaps[last]), int(kept[last]), int(errors[last]))
