"""Layers whose outputs are weighted sums of their inputs: convolution, untied weights, fully connected.

Every one is ``windows(x)`` followed by one sum of products. `windows` is linear, and `windows_adjoint` puts each
element of a window's gradient back where it was read.
"""

from __future__ import annotations

import numpy as np

from .numeric import Array

Pair = tuple[int, int]
Padding = tuple[int | Pair, int | Pair]  # (rows, columns), each the same on both sides or (before, after)


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0),
    pad_value: float = 0.0,
    dilation: Pair = (1, 1),
    groups: int = 1,
    flip: bool = False,
    table: Array | None = None,
) -> Array:
    """y[o,r,s] = b + sum_ckt w[o,c,k,t] x[c, stride r + dilation k - pad, ...]; `flip` turns the kernel by 180 degrees.

    Parameters
    ----------
    weight : (out, in / groups, rows, columns)
    bias : None, one per map (out,) or one per unit (out, height, width)
    table : (in, out), 0 or 1
        Which input map (row) is connected to which output map (column).
    """
    dense = _dense(weight, x.shape[1], groups, flip, table)
    y: Array = np.einsum("ockt,ncktrs->nors", dense, _windows(x, weight, stride, padding, pad_value, dilation))
    return y + _per_unit(bias)


def conv2d_backward(
    dy: Array,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0),
    pad_value: float = 0.0,
    dilation: Pair = (1, 1),
    groups: int = 1,
    flip: bool = False,
    table: Array | None = None,
) -> tuple[Array, Array, Array | None]:
    """(dx, dweight, dbias); a weight that the table masks has gradient 0."""
    dense = _dense(weight, x.shape[1], groups, flip, table)
    windows = _windows(x, weight, stride, padding, pad_value, dilation)
    ddense = np.einsum("nors,ncktrs->ockt", dy, windows)
    dwindows = np.einsum("ockt,nors->ncktrs", dense, dy)
    dx = _windows_adjoint(dwindows, x, stride, padding, dilation)
    return dx, _dense_adjoint(ddense, weight, groups, flip, table), _bias_gradient(dy, bias)


def local2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0),
    pad_value: float = 0.0,
) -> Array:
    """A convolution whose every unit has its own kernel: `weight` is (out, height, width, in, rows, columns)."""
    windows = _windows(x, weight, stride, padding, pad_value)
    y: Array = np.einsum("orsckt,ncktrs->nors", weight, windows)
    return y + _per_unit(bias)


def local2d_backward(
    dy: Array,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0),
    pad_value: float = 0.0,
) -> tuple[Array, Array, Array | None]:
    """(dx, dweight, dbias)."""
    windows = _windows(x, weight, stride, padding, pad_value)
    dweight = np.einsum("nors,ncktrs->orsckt", dy, windows)
    dwindows = np.einsum("orsckt,nors->ncktrs", weight, dy)
    return _windows_adjoint(dwindows, x, stride, padding), dweight, _bias_gradient(dy, bias)


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """y = W x + b over each image flattened in C order (map, row, column); y is (n, out, 1, 1)."""
    return (x.reshape(len(x), -1) @ weight.T)[:, :, None, None] + _per_unit(bias)


def linear_backward(dy: Array, x: Array, weight: Array, bias: Array | None = None) -> tuple[Array, Array, Array | None]:
    """(dx, dweight, dbias)."""
    dz = dy.reshape(len(dy), -1)
    return (dz @ weight).reshape(x.shape), dz.T @ x.reshape(len(x), -1), _bias_gradient(dy, bias)


def _windows(
    x: Array, weight: Array, stride: Pair, padding: Padding, pad_value: float = 0.0, dilation: Pair = (1, 1)
) -> Array:
    """What each unit sees: (n, channel, kernel row, kernel column, output row, output column)."""
    kernel = weight.shape[-2:]
    x = np.pad(x, ((0, 0), (0, 0), *_both_sides(padding)), constant_values=pad_value)
    n, channels, *size = x.shape
    height, width = ((size[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
    windows = np.empty((n, channels, *kernel, height, width))
    for k, t in np.ndindex(kernel):
        windows[:, :, k, t] = x[_tap(k, t, (height, width), stride, dilation)]
    return windows


def _windows_adjoint(dwindows: Array, x: Array, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Array:
    """Sum of all gradients of the windows' elements that were read from each element of `x`."""
    (top, bottom), (left, right) = _both_sides(padding)
    n, channels, height, width = x.shape
    dpadded = np.zeros((n, channels, top + height + bottom, left + width + right))
    for k, t in np.ndindex(dwindows.shape[2:4]):
        dpadded[_tap(k, t, dwindows.shape[4:], stride, dilation)] += dwindows[:, :, k, t]
    return dpadded[:, :, top : top + height, left : left + width]


def _tap(k: int, t: int, out: tuple[int, ...], stride: Pair, dilation: Pair) -> tuple[slice, ...]:
    """The samples of the padded input that lie under kernel element (k, t)."""
    row, column = dilation[0] * k, dilation[1] * t
    return (
        slice(None),
        slice(None),
        slice(row, row + stride[0] * (out[0] - 1) + 1, stride[0]),
        slice(column, column + stride[1] * (out[1] - 1) + 1, stride[1]),
    )


def _both_sides(padding: Padding) -> tuple[Pair, Pair]:
    rows, columns = ((p, p) if isinstance(p, int) else p for p in padding)
    return rows, columns


def _dense(weight: Array, channels: int, groups: int, flip: bool, table: Array | None) -> Array:
    """The kernels as (out, in, rows, columns): zeros where a group or the table leaves out a connection."""
    out, per_group, *kernel = weight.shape
    dense = np.zeros((out, channels, *kernel))
    for o in range(out):
        first = o // (out // groups) * per_group
        dense[o, first : first + per_group] = weight[o]
    if table is not None:
        dense *= np.transpose(table)[:, :, None, None]
    return dense[:, :, ::-1, ::-1] if flip else dense


def _dense_adjoint(ddense: Array, weight: Array, groups: int, flip: bool, table: Array | None) -> Array:
    out, per_group = weight.shape[:2]
    if flip:
        ddense = ddense[:, :, ::-1, ::-1]
    if table is not None:
        ddense = ddense * np.transpose(table)[:, :, None, None]
    dweight = np.empty_like(weight)
    for o in range(out):
        first = o // (out // groups) * per_group
        dweight[o] = ddense[o, first : first + per_group]
    return dweight


def _per_unit(bias: Array | None) -> Array | float:
    if bias is None:
        return 0.0
    return bias[:, None, None] if bias.ndim == 1 else bias


def _bias_gradient(dy: Array, bias: Array | None) -> Array | None:
    if bias is None:
        return None
    return dy.sum(axis=(0, 2, 3)) if bias.ndim == 1 else dy.sum(axis=0)
