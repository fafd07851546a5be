"""Pooling: every window is looked at by itself, clipped to the frame, so padding is never averaged nor a maximum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .numeric import Array

Pair = tuple[int, int]
Window = tuple[int, int, slice, slice]


def max_pool2d(
    x: Array, *, kernel_size: Pair, stride: Pair | None = None, padding: Pair = (0, 0), ceil_mode: bool = False
) -> Array:
    """Largest sample of each window; NaN where the window holds one."""
    y = _empty_output(x, kernel_size, stride, padding, ceil_mode)
    for r, s, rows, columns in _windows(x, kernel_size, stride, padding, ceil_mode):
        y[:, :, r, s] = x[:, :, rows, columns].max(axis=(2, 3))
    return y


def max_pool2d_backward(
    dy: Array,
    x: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
) -> tuple[Array]:
    """(dx,): each window's gradient goes to its first maximum in row-major order."""
    dx = np.zeros_like(x)
    for r, s, rows, columns in _windows(x, kernel_size, stride, padding, ceil_mode):
        window = x[:, :, rows, columns]
        samples = window.reshape(*x.shape[:2], -1)
        first = np.arange(samples.shape[2]) == samples.argmax(axis=2)[:, :, None]
        dx[:, :, rows, columns] += first.reshape(window.shape) * dy[:, :, r, s, None, None]
    return (dx,)


def avg_pool2d(
    x: Array, *, kernel_size: Pair, stride: Pair | None = None, padding: Pair = (0, 0), ceil_mode: bool = False
) -> Array:
    """Mean of the samples of each window that lie inside the frame (``count_include_pad=False``)."""
    y = _empty_output(x, kernel_size, stride, padding, ceil_mode)
    for r, s, rows, columns in _windows(x, kernel_size, stride, padding, ceil_mode):
        y[:, :, r, s] = x[:, :, rows, columns].mean(axis=(2, 3))
    return y


def avg_pool2d_backward(
    dy: Array,
    x: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
) -> tuple[Array]:
    """(dx,)."""
    dx = np.zeros_like(x)
    for r, s, rows, columns in _windows(x, kernel_size, stride, padding, ceil_mode):
        window = dx[:, :, rows, columns]
        window += dy[:, :, r, s, None, None] / window[0, 0].size
    return (dx,)


def global_avg_pool2d(x: Array) -> Array:
    """Mean of each map, (n, channels, 1, 1)."""
    return x.mean(axis=(2, 3), keepdims=True)


def global_avg_pool2d_backward(dy: Array, x: Array) -> tuple[Array]:
    """(dx,)."""
    return (np.broadcast_to(dy / x[0, 0].size, x.shape).copy(),)


def trainable_subsample2d(
    x: Array,
    weight: Array,
    bias: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
) -> Array:
    """LeCun's subsampling layer: window *mean* times the map's coefficient plus the map's bias, both (channels,)."""
    mean = avg_pool2d(x, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
    return weight[:, None, None] * mean + bias[:, None, None]


def trainable_subsample2d_backward(
    dy: Array,
    x: Array,
    weight: Array,
    bias: Array,
    *,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = (0, 0),
    ceil_mode: bool = False,
) -> tuple[Array, Array, Array]:
    """(dx, dweight, dbias)."""
    mean = avg_pool2d(x, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode)
    (dx,) = avg_pool2d_backward(
        weight[:, None, None] * dy, x, kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode
    )
    return dx, (dy * mean).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))


def _spans(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> list[slice]:
    """The rows (or columns) that each window covers inside the frame."""
    room = size + 2 * padding - kernel
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    starts = [i * stride - padding for i in range(count)]
    return [slice(max(start, 0), min(start + kernel, size)) for start in starts if start < size]


def _grid(x: Array, kernel_size: Pair, stride: Pair | None, padding: Pair, ceil_mode: bool) -> list[list[slice]]:
    step = stride or kernel_size
    return [_spans(x.shape[2 + i], kernel_size[i], step[i], padding[i], ceil_mode) for i in (0, 1)]


def _windows(x: Array, kernel_size: Pair, stride: Pair | None, padding: Pair, ceil_mode: bool) -> Iterator[Window]:
    """(output row, output column, input rows, input columns) of every window."""
    all_rows, all_columns = _grid(x, kernel_size, stride, padding, ceil_mode)
    for r, rows in enumerate(all_rows):
        for s, columns in enumerate(all_columns):
            yield r, s, rows, columns


def _empty_output(x: Array, kernel_size: Pair, stride: Pair | None, padding: Pair, ceil_mode: bool) -> Array:
    rows, columns = _grid(x, kernel_size, stride, padding, ceil_mode)
    return np.empty((*x.shape[:2], len(rows), len(columns)))
