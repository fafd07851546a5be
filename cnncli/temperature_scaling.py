"""Temperature scaling: one number that makes a network's probabilities right without changing its answers."""

from __future__ import annotations

import numpy as np

from cnncli.errors import DataError

TINY = float(np.finfo(np.float32).tiny)  # a probability that has become 0
LOWEST, HIGHEST = 0.05, 20.0  # temperatures looked at


def tempered(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities as if the network's outputs had been divided by a temperature before softmax; the order stays.

    Above 1 it makes a network less sure, below 1 surer.
    """
    logits = _logits(scores) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    result: np.ndarray = (powers / powers.sum(axis=1, keepdims=True)).astype(scores.dtype)
    return result


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature under which labelled images, not those of training, are most likely.

    The mean of -log p is convex in 1/T; where its derivative, the mean over images of E_p[z] - z_label with z the
    outputs, is 0 is found by bisection.

    Parameters
    ----------
    scores : ndarray, shape (images, classes)
        Probabilities.
    labels : ndarray of int, shape (images,)

    Raises
    ------
    DataError
        No temperature between 0.05 and 20 is best: nearly all answers are right, or they are no better than chance.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
    """
    logits = _logits(scores)
    own = logits[np.arange(len(labels)), labels]

    def slope(temperature: float) -> float:
        return float(((tempered(scores.astype(np.float64), temperature) * logits).sum(axis=1) - own).mean())

    low, high = LOWEST, HIGHEST
    if not slope(low) > 0 > slope(high):
        reason = "nearly all answers are right" if slope(low) <= 0 else "the answers are no better than chance"
        raise DataError(f"{len(labels):,} images give no temperature, as {reason}; use more, or others")
    while high / low > 1 + 1e-12:
        middle = (low * high) ** 0.5
        if not low < middle < high:
            break
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return (low * high) ** 0.5


def _logits(scores: np.ndarray) -> np.ndarray:
    """Outputs before softmax, up to a constant for each image."""
    logits: np.ndarray = np.log(np.maximum(scores, TINY, dtype=np.float64))
    return logits
