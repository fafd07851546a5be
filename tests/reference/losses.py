"""Losses on outputs and targets of shape (n, classes) or (n, classes, 1, 1).

A loss returns the per-image losses for reduction ``none``, their sum or their mean; its ``_backward(y, target)``
returns the gradient of the sum or mean as ``(dy,)``.
"""

from __future__ import annotations

import numpy as np

from .numeric import Array

SMALLEST_PROBABILITY = 1e-12


def code_targets(labels: Array, classes: int, *, off: float = 0.0, on: float = 1.0) -> Array:
    """One row per label: `on` in the label's column, `off` elsewhere (0 and 1; -1 and 1 for outputs of tanh type)."""
    return np.where(np.arange(classes) == np.asarray(labels)[:, None], on, off)


def softmax(z: Array) -> Array:
    """Probabilities exp(z) / sum exp(z) over axis 1."""
    return np.exp(_log_softmax(z))


def softmax_cross_entropy(z: Array, target: Array, *, reduction: str) -> Array:
    """-sum_k t_k ln softmax(z)_k."""
    return _reduce(-target.reshape(z.shape) * _log_softmax(z), reduction)


def softmax_cross_entropy_backward(z: Array, target: Array, *, reduction: str) -> tuple[Array]:
    """(dz,) = p sum_k t_k - t (E9)."""
    t = target.reshape(z.shape)
    return (_scale(softmax(z) * t.sum(axis=1, keepdims=True) - t, reduction),)


def cross_entropy(y: Array, target: Array, *, reduction: str) -> Array:
    """-sum_k t_k ln y_k of given probabilities, none taken for less than 1e-12."""
    return _reduce(-target.reshape(y.shape) * np.log(np.maximum(y, SMALLEST_PROBABILITY)), reduction)


def cross_entropy_backward(y: Array, target: Array, *, reduction: str) -> tuple[Array]:
    """(dy,) = -t / max(y, 1e-12), also below the limit (A11)."""
    return (_scale(-target.reshape(y.shape) / np.maximum(y, SMALLEST_PROBABILITY), reduction),)


def sum_squared_error(y: Array, target: Array, *, half: bool = True, reduction: str) -> Array:
    """sum_k (y_k - t_k)^2, halved unless `half` is false."""
    return _reduce((y - target.reshape(y.shape)) ** 2 * (0.5 if half else 1.0), reduction)


def sum_squared_error_backward(y: Array, target: Array, *, half: bool = True, reduction: str) -> tuple[Array]:
    """(dy,) = y - t, or twice that."""
    return (_scale((y - target.reshape(y.shape)) * (1.0 if half else 2.0), reduction),)


def mean_squared_error(y: Array, target: Array, *, reduction: str) -> Array:
    """Mean over k of (y_k - t_k)^2; reduction ``mean`` gives the mean over images and outputs of A11."""
    return _reduce((y - target.reshape(y.shape)) ** 2 / y[0].size, reduction)


def mean_squared_error_backward(y: Array, target: Array, *, reduction: str) -> tuple[Array]:
    """(dy,) = 2 (y - t) / k."""
    return (_scale(2 * (y - target.reshape(y.shape)) / y[0].size, reduction),)


def _log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _reduce(terms: Array, reduction: str) -> Array:
    losses = terms.reshape(len(terms), -1).sum(axis=1)
    return {"none": losses, "sum": losses.sum(), "mean": losses.mean()}[reduction]


def _scale(d: Array, reduction: str) -> Array:
    return d / {"sum": 1, "mean": len(d)}[reduction]
