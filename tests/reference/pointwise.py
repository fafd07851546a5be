"""Element by element: activations, gain, dropout, sums and concatenation of branches.

A parameter (`k`, a gain) is one number, as a float or an array of one element, or one per map (channels,).
"""

from __future__ import annotations

import numpy as np

from .numeric import Array

Parameter = Array | float


def relu(x: Array) -> Array:
    """max(0, x)."""
    return np.maximum(x, 0.0)


def relu_backward(dy: Array, x: Array) -> tuple[Array]:
    """(dx,), 0 at x = 0."""
    return (dy * (x > 0),)


def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Array:
    """The input where it is positive, negative_slope x elsewhere."""
    return np.where(x > 0, x, negative_slope * x)


def leaky_relu_backward(dy: Array, x: Array, *, negative_slope: float = 0.01) -> tuple[Array]:
    """(dx,), the slope of the negative side at x = 0."""
    return (dy * np.where(x > 0, 1.0, negative_slope),)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


def sigmoid_backward(dy: Array, x: Array) -> tuple[Array]:
    """(dx,), as e / (1 + e)^2, which does not vanish before exp does."""
    e = np.exp(-np.abs(x))
    return (dy * e / (1 + e) ** 2,)


def tanh(x: Array, *, amplitude: float = 1.0, slope: float = 1.0) -> Array:
    """A tanh(S x)."""
    return amplitude * np.tanh(slope * x)


def tanh_backward(dy: Array, x: Array, *, amplitude: float = 1.0, slope: float = 1.0) -> tuple[Array]:
    """(dx,): tanh(u) = 2 sigmoid(2 u) - 1, hence A S 4 sigmoid'(2 S x)."""
    (derivative,) = sigmoid_backward(np.ones_like(x), 2 * slope * x)
    return (dy * amplitude * slope * 4 * derivative,)


def softplus(x: Array, k: Parameter = 1.0) -> Array:
    """ln(1 + exp(k x)) / k."""
    k = _per_map(k)
    return np.maximum(x, 0.0) + np.log1p(np.exp(-k * np.abs(x))) / k


def softplus_backward(dy: Array, x: Array, k: Parameter = 1.0) -> tuple[Array, Array]:
    """(dx, dk)."""
    kk, size = _per_map(k), np.abs(x)
    slope_k = -(size * sigmoid(-kk * size) + np.log1p(np.exp(-kk * size)) / kk) / kk
    return dy * sigmoid(kk * x), _summed_like(k, dy * slope_k)


def abs(x: Array) -> Array:
    """|x|."""
    return np.abs(x)


def abs_backward(dy: Array, x: Array) -> tuple[Array]:
    """(dx,), 0 at x = 0."""
    return (dy * np.sign(x),)


def softabs(x: Array, k: Parameter = 1.0) -> Array:
    """(2 / k) ln cosh(k x / 2), in one form near 0 and another far from it (E4)."""
    k = _per_map(k)
    u = k * np.abs(x)
    near = np.log1p(2 * np.sinh(np.minimum(u, 1.0) / 4) ** 2)
    far = u / 2 + np.log1p(np.exp(-u)) - np.log(2)
    return 2 / k * np.where(u <= 1, near, far)


def softabs_backward(dy: Array, x: Array, k: Parameter = 1.0) -> tuple[Array, Array]:
    """(dx, dk)."""
    kk, size = _per_map(k), np.abs(x)
    u = kk * size
    near = x * np.tanh(kk * x / 2) - softabs(x, k)
    far = 2 / kk * (np.log(2) - np.log1p(np.exp(-u))) - 2 * size * sigmoid(-u)
    slope_k = np.where(u <= 1, near, far) / kk
    return dy * np.tanh(kk * x / 2), _summed_like(k, dy * slope_k)


def gain(x: Array, weight: Parameter = 1.0) -> Array:
    """The input times one number, or one per map."""
    return _per_map(weight) * x


def gain_backward(dy: Array, x: Array, weight: Parameter = 1.0) -> tuple[Array, Array]:
    """(dx, dweight)."""
    return _per_map(weight) * dy, _summed_like(weight, dy * x)


def dropout(x: Array, mask: Array, *, p: float = 0.5) -> Array:
    """Keep the elements where `mask` is 1, scaled by 1 / (1 - p) so that the mean stays."""
    return x * mask / (1 - p)


def dropout_backward(dy: Array, x: Array, mask: Array, *, p: float = 0.5) -> tuple[Array]:
    """(dx,)."""
    return (dropout(dy, mask, p=p),)


def flatten(x: Array) -> Array:
    """Each image as (channels height width, 1, 1), in C order."""
    return x.reshape(len(x), -1, 1, 1).copy()


def flatten_backward(dy: Array, x: Array) -> tuple[Array]:
    """(dx,)."""
    return (dy.reshape(x.shape).copy(),)


def add(*xs: Array) -> Array:
    """Sum of the inputs."""
    return np.sum(xs, axis=0)


def add_backward(dy: Array, *xs: Array) -> tuple[Array, ...]:
    """One gradient for each input."""
    return tuple(dy.copy() for _ in xs)


def concat(*xs: Array) -> Array:
    """The maps of the inputs, one input after the other."""
    return np.concatenate(xs, axis=1)


def concat_backward(dy: Array, *xs: Array) -> tuple[Array, ...]:
    """One gradient for each input."""
    ends = np.cumsum([x.shape[1] for x in xs])[:-1]
    return tuple(np.split(dy, ends, axis=1))


def _per_map(parameter: Parameter) -> Array:
    return np.reshape(parameter, (-1, 1, 1))


def _summed_like(parameter: Parameter, d: Array) -> Array:
    """Sum over everything that shared the parameter."""
    shape = np.shape(parameter)
    per_map = d.sum(axis=(0, 2, 3))
    return per_map.reshape(shape) if np.size(parameter) > 1 else per_map.sum().reshape(shape)
