"""Batch normalisation and brightness (response) normalisation."""

from __future__ import annotations

import numpy as np

from .filtering import apply_matrices
from .numeric import Array

MAPS = (0, 2, 3)  # all axes but the channel
Parameter = Array | float  # one number, as a float or an array of one element


def batch_norm2d(
    x: Array,
    weight: Array,
    bias: Array,
    *,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = True,
    eps: float = 1e-5,
) -> Array:
    """weight (x - mean) / sqrt(var + eps) + bias per map; training takes the batch's mean and biased variance."""
    mean, var = _statistics(x, running_mean, running_var, training)
    return _column(weight) * (x - mean) / np.sqrt(var + eps) + _column(bias)


def batch_norm2d_backward(
    dy: Array,
    x: Array,
    weight: Array,
    bias: Array,
    *,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = True,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """(dx, dweight, dbias); in training the gradient also flows through mean and variance."""
    mean, var = _statistics(x, running_mean, running_var, training)
    deviation = np.sqrt(var + eps)
    normal = (x - mean) / deviation
    dnormal = _column(weight) * dy
    dx = dnormal / deviation
    if training:
        dx -= dnormal.mean(axis=MAPS, keepdims=True) / deviation
        dx -= normal * (dnormal * normal).mean(axis=MAPS, keepdims=True) / deviation
    return dx, (dy * normal).sum(axis=MAPS), dy.sum(axis=MAPS)


def batch_norm2d_running(
    x: Array, running_mean: Array, running_var: Array, *, momentum: float = 0.1
) -> tuple[Array, Array]:
    """Running mean and variance after this batch, whose variance is the unbiased one here; needs two values a map."""
    mean, var = x.mean(axis=MAPS), x.var(axis=MAPS, ddof=1)
    return (1 - momentum) * running_mean + momentum * mean, (1 - momentum) * running_var + momentum * var


def brightness_norm2d(
    x: Array,
    kappa: Parameter = 1.0,
    lambda_: Parameter = 1e-4,
    mu: Parameter = 0.75,
    *,
    window: str | int = "all",
    same_map: bool = False,
) -> Array:
    """X d^-mu with d = kappa + lambda S, S the sum of X^2 over a window (eq 17 of the lecture, A9).

    The window is all maps, or the `window` maps around each, or with `same_map` the square of that side around each
    sample of the same map; it is clipped to what there is.
    """
    return x * (kappa + lambda_ * _window_sum(x**2, window, same_map)) ** -mu


def brightness_norm2d_backward(
    dy: Array,
    x: Array,
    kappa: Parameter = 1.0,
    lambda_: Parameter = 1e-4,
    mu: Parameter = 0.75,
    *,
    window: str | int = "all",
    same_map: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """(dx, dkappa, dlambda, dmu)."""
    squares = _window_sum(x**2, window, same_map)
    d = kappa + lambda_ * squares
    dd = -mu * dy * x * d ** (-mu - 1)
    dx = dy * d**-mu + 2 * lambda_ * x * _window_sum(dd, window, same_map, adjoint=True)
    dmu = -dy * x * d**-mu * np.log(d)
    return dx, _total(dd, kappa), _total(dd * squares, lambda_), _total(dmu, mu)


def _statistics(x: Array, running_mean: Array | None, running_var: Array | None, training: bool) -> tuple[Array, Array]:
    if training:
        return x.mean(axis=MAPS, keepdims=True), x.var(axis=MAPS, keepdims=True)
    assert running_mean is not None
    assert running_var is not None
    return _column(running_mean), _column(running_var)


def _column(per_map: Array) -> Array:
    return per_map[:, None, None]


def _total(d: Array, parameter: Parameter) -> Array:
    return np.reshape(d.sum(), np.shape(parameter))


def _window_sum(values: Array, window: str | int, same_map: bool, adjoint: bool = False) -> Array:
    """Sum over each element's window; the adjoint sums over the windows that an element lies in."""

    def matrix(size: int) -> Array:
        near = _neighbours(size, window)
        return near.T if adjoint else near

    if same_map:
        return apply_matrices(matrix(values.shape[2]), values, matrix(values.shape[3]))
    total: Array = np.einsum("ij,njrs->nirs", matrix(values.shape[1]), values)
    return total


def _neighbours(size: int, window: str | int) -> Array:
    """Row i holds ones at i - window // 2, ..., i - window // 2 + window - 1."""
    if window == "all":
        return np.ones((size, size))
    offset = np.arange(size)[None, :] - np.arange(size)[:, None] + int(window) // 2
    return ((offset >= 0) & (offset < int(window))).astype(np.float64)
