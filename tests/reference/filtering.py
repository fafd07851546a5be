"""Fixed linear filters as matrices: Y = A X B^T, so the gradient of X is A^T dY B and nothing has to be derived."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .numeric import Array

Pair = tuple[int, int]

BLUR_KERNELS: dict[str, tuple[float, ...]] = {
    "binomial5": (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16),
    "binomial3": (1 / 4, 2 / 4, 1 / 4),
    "box2": (1 / 2, 1 / 2),
    "none": (1.0,),
}


def filter_matrix(size: int, taps: Sequence[float] | Array, border: str) -> Array:
    """Matrix of the 1-D correlation y[a] = sum_t taps[t] x[a + t - (len(taps) - 1) // 2] on `size` samples.

    Borders: reflect (the edge sample is not repeated), edge (it is), zero, and valid (only positions that need none).
    """
    before, after = (len(taps) - 1) // 2, len(taps) // 2
    positions = range(before, size - after) if border == "valid" else range(size)
    matrix = np.zeros((len(positions), size))
    for row, position in enumerate(positions):
        for t, tap in enumerate(taps):
            source = _source(position + t - before, size, border)
            if source is not None:
                matrix[row, source] += tap
    return matrix


def apply_matrices(rows: Array, x: Array, columns: Array) -> Array:
    """rows X columns^T for every map of `x`."""
    y: Array = np.einsum("ar,ncrs,bs->ncab", rows, x, columns, optimize=True)
    return y


def subsample2d(x: Array, *, skip: Pair = (1, 1)) -> Array:
    """Keep every (skip + 1)-th row and column, from 0."""
    return x[:, :, :: skip[0] + 1, :: skip[1] + 1].copy()


def subsample2d_backward(dy: Array, x: Array, *, skip: Pair = (1, 1)) -> tuple[Array]:
    """(dx,), zero at the samples left out."""
    dx = np.zeros_like(x)
    dx[:, :, :: skip[0] + 1, :: skip[1] + 1] = dy
    return (dx,)


def blur2d(x: Array, *, kernel: str = "binomial5", border: str = "reflect", stride: Pair = (1, 1)) -> Array:
    """Blur rows and columns, then keep every `stride`-th; stride (2, 2) is one step of the image pyramid."""
    rows, columns = _blur_matrices(x, kernel, border, stride)
    return apply_matrices(rows, x, columns)


def blur2d_backward(
    dy: Array, x: Array, *, kernel: str = "binomial5", border: str = "reflect", stride: Pair = (1, 1)
) -> tuple[Array]:
    """(dx,)."""
    rows, columns = _blur_matrices(x, kernel, border, stride)
    return (apply_matrices(rows.T, dy, columns.T),)


def _blur_matrices(x: Array, kernel: str, border: str, stride: Pair) -> tuple[Array, Array]:
    taps = BLUR_KERNELS[kernel]
    rows, columns = (filter_matrix(x.shape[2 + i], taps, border)[:: stride[i]] for i in (0, 1))
    return rows, columns


def _source(i: int, size: int, border: str) -> int | None:
    """Which sample stands at position `i`, or None for a zero."""
    if 0 <= i < size:
        return i
    if border == "edge" or (border == "reflect" and size == 1):
        return min(max(i, 0), size - 1)
    if border == "reflect":
        i %= 2 * (size - 1)
        return min(i, 2 * (size - 1) - i)
    return None
