"""Linear filters along one axis as sparse matrices, which the kernels apply to rows and to columns.

Borders, strides and adjoints are other matrices, so there is one kernel for all of them. Matrices are made once for
each size and kept.

References
----------
The lecture's image pyramid P I P^T, where P = S C is a Toeplitz matrix C followed by a selection of rows S.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np

Border = Literal["corrected", "zero", "reflect", "edge", "valid"]
Bands = tuple[np.ndarray, np.ndarray]  # (starts and sources, weights), as in `_fast/_bands.pxd`


@cache
def gaussian(size: int, sigma: float) -> tuple[float, ...]:
    """A Gaussian of odd `size`, cut off and brought to sum 1."""
    distance = np.arange(size) - size // 2
    taps = np.exp(-(distance**2) / (2 * sigma**2))
    return tuple((taps / taps.sum()).tolist())


@cache
def bands(
    size: int,
    taps: tuple[float, ...],
    border: Border,
    *,
    stride: int = 1,
    before: int | None = None,
    adjoint: bool = False,
) -> Bands:
    """The matrix of `band_matrix`, or its transpose, as the kernels want it."""
    matrix = band_matrix(size, taps, border, stride=stride, before=before)
    matrix = matrix.T if adjoint else matrix
    rows, sources = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1))
    return np.concatenate([starts, sources]).astype(np.int32), matrix[rows, sources]


def band_matrix(
    size: int, taps: Sequence[float], border: Border, *, stride: int = 1, before: int | None = None
) -> np.ndarray:
    """The matrix of y[i] = sum_t taps[t] x[i stride + t - before] on `size` samples.

    Parameters
    ----------
    border : str
        What stands outside: nothing (``zero``; ``corrected`` then divides by the sum of the taps inside), the samples
        mirrored without the edge (``reflect``), the edge (``edge``); ``valid`` leaves out rows that reach outside.
    before : int, optional
        Taps before the centre, by default (len(taps) - 1) // 2.
    """
    before = (len(taps) - 1) // 2 if before is None else before
    first, last = (before, size - len(taps) + before + 1) if border == "valid" else (0, size)
    matrix = np.zeros((max(last - first, 0), size))
    for row in range(len(matrix)):
        for t, tap in enumerate(taps):
            source = _source(first + row + t - before, size, border)
            if source is not None:
                matrix[row, source] += tap
    if border == "corrected":
        matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix[::stride]


def _source(i: int, size: int, border: Border) -> int | None:
    """The sample that stands at place i, None for zero."""
    if 0 <= i < size:
        return i
    if border == "edge" or (border == "reflect" and size == 1):
        return min(max(i, 0), size - 1)
    if border == "reflect":
        i %= 2 * (size - 1)
        return min(i, 2 * (size - 1) - i)
    return None
