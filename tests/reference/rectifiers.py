"""The relatives of the ReLU that came after it."""

from __future__ import annotations

import math

import numpy as np

from .numeric import Array
from .pointwise import sigmoid

_erf = np.vectorize(math.erf, otypes=[float])


def prelu(x: Array, weight: Array) -> Array:
    """x where it is positive, elsewhere x times one number, or one per map."""
    return np.where(x > 0, x, np.reshape(weight, (-1, 1, 1)) * x)


def prelu_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array]:
    """(dx, dweight), the slope of the negative side at x = 0."""
    below = (dy * np.where(x > 0, 0.0, x)).sum(axis=(0, 2, 3))
    dx = dy * np.where(x > 0, 1.0, np.reshape(weight, (-1, 1, 1)))
    return dx, below if weight.size > 1 else below.sum().reshape(weight.shape)


def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """x where it is positive, elsewhere alpha (exp(x) - 1)."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(dy: Array, x: Array, *, alpha: float = 1.0) -> tuple[Array]:
    """(dx,), alpha at x = 0."""
    return (dy * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),)


def gelu(x: Array, *, approximate: str = "none") -> Array:
    """x times the normal distribution below x, or its approximation by a tanh."""
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def gelu_backward(dy: Array, x: Array, *, approximate: str = "none") -> tuple[Array]:
    """(dx,)."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        t = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
        return (dy * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * inner),)
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return (dy * (0.5 * (1 + _erf(x / math.sqrt(2))) + x * density),)


def silu(x: Array) -> Array:
    """x / (1 + exp(-x))."""
    return x * sigmoid(x)


def silu_backward(dy: Array, x: Array) -> tuple[Array]:
    """(dx,)."""
    s = sigmoid(x)
    return (dy * s * (1 + x * (1 - s)),)


def hard_swish(x: Array) -> Array:
    """x times a ramp from 0 at -3 to 1 at 3."""
    return x * np.clip(x + 3, 0, 6) / 6


def hard_swish_backward(dy: Array, x: Array) -> tuple[Array]:
    """(dx,), 0 at -3 and 1 at 3."""
    return (dy * np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, x / 3 + 0.5)),)
