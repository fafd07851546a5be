"""Normalisation of every image by itself, and the product of two inputs."""

from __future__ import annotations

import numpy as np

from .numeric import Array


def group_norm(x: Array, weight: Array, bias: Array, *, groups: int = 1, eps: float = 1e-5) -> Array:
    """weight (x - mean) / sqrt(var + eps) + bias, mean and biased variance over the maps of a group of one image."""
    return _shaped(weight) * _normal(x, groups, eps)[0] + _shaped(bias)


def group_norm_backward(
    dy: Array, x: Array, weight: Array, bias: Array, *, groups: int = 1, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """(dx, dweight, dbias)."""
    normal, deviation = _normal(x, groups, eps)
    d, n = (a.reshape(len(x), groups, -1) for a in (dy * _shaped(weight), normal))
    centred = d - d.mean(axis=2, keepdims=True) - n * (d * n).mean(axis=2, keepdims=True)
    axes = (0,) if weight.size == x[0].size else (0, 2, 3)
    gradients = [a.sum(axis=axes).reshape(weight.shape) for a in (dy * normal, dy)]
    return (centred.reshape(x.shape) / deviation, gradients[0], gradients[1])


def layer_norm(x: Array, weight: Array, bias: Array, *, eps: float = 1e-5) -> Array:
    """The same over all of an image, with a weight and a bias for every sample of it."""
    return group_norm(x, weight, bias, eps=eps)


def layer_norm_backward(
    dy: Array, x: Array, weight: Array, bias: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """(dx, dweight, dbias)."""
    return group_norm_backward(dy, x, weight, bias, eps=eps)


def multiply(a: Array, b: Array) -> Array:
    """Product of two inputs; one may have one number for a map of the other."""
    return a * b


def multiply_backward(dy: Array, a: Array, b: Array) -> tuple[Array, Array]:
    """(da, db)."""
    return _summed(dy * b, a), _summed(dy * a, b)


def _normal(x: Array, groups: int, eps: float) -> tuple[Array, Array]:
    """The normalised input, and the deviation that each sample was divided by."""
    grouped = x.reshape(len(x), groups, -1)
    mean, var = grouped.mean(axis=2, keepdims=True), grouped.var(axis=2, keepdims=True)
    deviation = np.broadcast_to(np.sqrt(var + eps), grouped.shape)
    return ((grouped - mean) / deviation).reshape(x.shape), deviation.reshape(x.shape)


def _shaped(parameter: Array) -> Array:
    """One number for each map, or one for each sample."""
    return parameter if parameter.ndim == 3 else parameter.reshape(-1, 1, 1)


def _summed(d: Array, like: Array) -> Array:
    return d if d.shape == like.shape else d.sum(axis=(2, 3), keepdims=True)
