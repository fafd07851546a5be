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
_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], dtype=np.float64)
_DISTANCE = np.arange(-2, 3)
_GAUSSIAN = np.exp(-(_DISTANCE[:, None] ** 2 + _DISTANCE**2) / 2)
FIXED_KERNELS: dict[str, Array] = {
    "box3": np.full((3, 3), 1 / 9),
    "gaussian5": _GAUSSIAN / _GAUSSIAN.sum(),
    "binomial3": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
    "sobel_x": _SOBEL,
    "sobel_y": _SOBEL.T,
    "laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=np.float64),
    "sharpen": np.array([[-1, -1, -1], [-1, 17, -1], [-1, -1, -1]]) / 9,
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


def fixed_filter2d(x: Array, *, kernel: str, border: str = "zero") -> Array:
    """Correlate every map with a known kernel."""
    return sum(tap * apply_matrices(rows, x, columns) for tap, rows, columns in _taps(x, kernel, border))


def fixed_filter2d_backward(dy: Array, x: Array, *, kernel: str, border: str = "zero") -> tuple[Array]:
    """(dx,)."""
    return (sum(tap * apply_matrices(rows.T, dy, columns.T) for tap, rows, columns in _taps(x, kernel, border)),)


def _taps(x: Array, kernel: str, border: str) -> list[tuple[float, Array, Array]]:
    """Each tap of a kernel, with the matrices that shift rows and columns to it."""
    taps = FIXED_KERNELS[kernel]
    one = np.eye(len(taps))
    shifts = [[filter_matrix(size, row, border) for row in one] for size in x.shape[2:]]
    return [(tap, shifts[0][k], shifts[1][t]) for (k, t), tap in np.ndenumerate(taps)]


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
