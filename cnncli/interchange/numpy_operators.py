"""The elementary operators in NumPy: what the exported predictor is put together from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Sizes = Sequence[int]


def windows(x: Array, kernel: Sizes, strides: Sizes, dilations: Sizes = (1, 1)) -> Array:
    """All places of a window: (N, channels, rows, columns, kernel rows, kernel columns), a view."""
    (kh, kw), (sh, sw), (dh, dw) = kernel, strides, dilations
    rows = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1
    columns = (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
    n, c, h, w = x.strides
    return np.lib.stride_tricks.as_strided(
        x, (*x.shape[:2], rows, columns, kh, kw), (n, c, h * sh, w * sw, h * dh, w * dw), writeable=False
    )


def framed(x: Array, pads: Sizes, value: float) -> Array:
    """Maps with a frame of one value; pads are top, left, bottom, right."""
    top, left, bottom, right = pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def Conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    kernel_shape: Sizes,
    strides: Sizes = (1, 1),
    dilations: Sizes = (1, 1),
    pads: Sizes = (0, 0, 0, 0),
    group: int = 1,
) -> Array:
    """Correlation with kernels (out, in / group, rows, columns), plus a bias for each map."""
    seen = windows(framed(x, pads, 0), kernel_shape, strides, dilations)
    inputs, outputs = x.shape[1] // group, len(weight) // group
    parts = [
        np.einsum(
            "ncyxij,ocij->noyx",
            seen[:, g * inputs : (g + 1) * inputs],
            weight[g * outputs : (g + 1) * outputs],
            optimize=True,
        )
        for g in range(group)
    ]
    y = np.concatenate(parts, axis=1)
    return y if bias is None else y + bias[:, None, None]


def MaxPool(x: Array, *, kernel_shape: Sizes, strides: Sizes, pads: Sizes) -> Array:
    """The largest sample of each window."""
    return windows(framed(x, pads, -np.inf), kernel_shape, strides).max(axis=(4, 5))


def AveragePool(x: Array, *, kernel_shape: Sizes, strides: Sizes, pads: Sizes) -> Array:
    """Of the samples inside the map."""
    total = windows(framed(x, pads, 0), kernel_shape, strides).sum(axis=(4, 5))
    inside = windows(framed(np.ones_like(x[:1, :1]), pads, 0), kernel_shape, strides).sum(axis=(4, 5))
    return total / inside


def GlobalAveragePool(x: Array) -> Array:
    """The mean of each map."""
    return x.mean(axis=(2, 3), keepdims=True)


def Gemm(x: Array, weight: Array, bias: Array | None = None, *, transB: int) -> Array:
    """A matrix times vectors, plus a bias."""
    y = x @ (weight.T if transB else weight)
    return y if bias is None else y + bias


def BatchNormalization(x: Array, weight: Array, bias: Array, mean: Array, variance: Array, *, epsilon: float) -> Array:
    """Each map by the mean and variance of training, scaled and shifted."""
    scale = weight / np.sqrt(variance + epsilon)
    return x * scale[:, None, None] + (bias - mean * scale)[:, None, None]


def InstanceNormalization(x: Array, weight: Array, bias: Array, *, epsilon: float) -> Array:
    """Each row brought to mean 0 and variance 1, scaled and shifted."""
    mean, variance = x.mean(axis=2, keepdims=True), x.var(axis=2, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon) * weight[:, None] + bias[:, None]


def Pad(x: Array, pads: Array, value: Array) -> Array:
    """A frame of one value; pads are those before all axes, then those behind."""
    return np.pad(x, list(zip(pads[: x.ndim], pads[x.ndim :], strict=True)), constant_values=value)


def Slice(x: Array, starts: Array, ends: Array, axes: Array, steps: Sizes = (1, 1)) -> Array:
    """Part of an array; steps of -1 turn axes round."""
    places = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        places[axis] = slice(start, end if step > 0 else None, step)
    return x[tuple(places)]


def Reshape(x: Array, shape: Array) -> Array:
    """Another shape; -1 stands for what is left."""
    return x.reshape(shape)


def Flatten(x: Array, *, axis: int) -> Array:
    """All of an image in one row."""
    return x.reshape(len(x), -1)


def Transpose(x: Array, *, perm: Sizes) -> Array:
    """Axes in another order."""
    return x.transpose(perm)


def Concat(*xs: Array, axis: int) -> Array:
    """Arrays one after another."""
    return np.concatenate(xs, axis=axis)


def MatMul(a: Array, b: Array) -> Array:
    """Matrix product."""
    return a @ b


def Add(a: Array, b: Array) -> Array:
    """a + b."""
    return a + b


def Sub(a: Array, b: Array) -> Array:
    """a - b."""
    return a - b


def Mul(a: Array, b: Array) -> Array:
    """a b."""
    return a * b


def Div(a: Array, b: Array) -> Array:
    """a / b."""
    return a / b


def Pow(a: Array, b: Array) -> Array:
    """a to the power of b."""
    return a**b


def Max(a: Array, b: Array) -> Array:
    """The larger of both."""
    return np.maximum(a, b)


def Min(a: Array, b: Array) -> Array:
    """The smaller of both."""
    return np.minimum(a, b)


def LessOrEqual(a: Array, b: Array) -> Array:
    """a <= b."""
    return a <= b


def Where(condition: Array, a: Array, b: Array) -> Array:
    """a where the condition holds, else b."""
    return np.where(condition, a, b)


def Sinh(x: Array) -> Array:
    """Hyperbolic sine."""
    return np.sinh(x)


def Atanh(x: Array) -> Array:
    """Inverse of the hyperbolic tangent."""
    return np.arctanh(x)


def Sqrt(x: Array) -> Array:
    """Square root."""
    return np.sqrt(x)


def Abs(x: Array) -> Array:
    """|x|."""
    return np.abs(x)


def ReduceMean(x: Array, *, axes: Sizes, keepdims: int) -> Array:
    """Mean over axes."""
    return x.mean(axis=tuple(axes), keepdims=bool(keepdims))


def ReduceSum(x: Array, axes: Array, *, keepdims: int) -> Array:
    """Sum over axes."""
    return x.sum(axis=tuple(axes), keepdims=bool(keepdims))


def Relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def LeakyRelu(x: Array, *, alpha: float) -> Array:
    """x, or alpha x below zero."""
    return np.where(x > 0, x, alpha * x)


def PRelu(x: Array, slope: Array) -> Array:
    """x, or slope x below zero."""
    return np.where(x > 0, x, slope * x)


def Elu(x: Array, *, alpha: float) -> Array:
    """x, or alpha (exp(x) - 1) below zero."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def Sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1) / (1 + small)


def Tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


def Softplus(x: Array) -> Array:
    """ln(1 + exp(x)), without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def HardSwish(x: Array) -> Array:
    """x min(max(x + 3, 0), 6) / 6."""
    return x * np.clip(x / 6 + 0.5, 0, 1)


def Erf(x: Array) -> Array:
    """Error function."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)


def Softmax(x: Array, *, axis: int) -> Array:
    """exp(x) over its sum."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)
