"""Local contrast normalisation: subtract the local mean, divide by the local deviation.

The local mean of a map is a Gaussian window w applied to it, divided under border ``corrected`` by the part of the
window that lies inside the frame; over ``across="all"`` maps it is the mean of theirs. It is linear, so both
gradients need only its adjoint.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .filtering import apply_matrices, filter_matrix
from .numeric import Array

FLOOR = 1e-6


def gaussian_taps(size: int, sigma: float) -> Array:
    """A 1-D Gaussian of odd `size`, summing to 1; the square window is its outer product with itself."""
    distance = np.arange(size) - (size - 1) / 2
    taps = np.exp(-(distance**2) / (2 * sigma**2))
    return taps / taps.sum()


def inside_weight(height: int, width: int, *, size: int = 9, sigma: float = 2.0) -> Array:
    """The kappa_0 of the lecture: how much of each sample's window lies inside the frame."""
    mean = LocalMean.over(np.ones((1, 1, height, width)), size, sigma, "all", "zero")
    return mean(np.ones((1, 1, height, width)))[0, 0]


class LocalMean(NamedTuple):
    """The linear map from (n, c, h, w) to the local means (n, 1 or c, h', w')."""

    rows: Array
    columns: Array
    inside: Array
    channels: int
    across: str

    @classmethod
    def over(cls, x: Array, size: int, sigma: float, across: str, border: str) -> LocalMean:
        """The local mean that suits maps of the shape of `x`."""
        taps = gaussian_taps(size, sigma)
        rows, columns = (filter_matrix(m, taps, "zero" if border == "corrected" else border) for m in x.shape[2:])
        corrected = np.outer(rows.sum(axis=1), columns.sum(axis=1))
        return cls(rows, columns, corrected if border == "corrected" else np.ones_like(corrected), x.shape[1], across)

    def __call__(self, x: Array) -> Array:
        mean = apply_matrices(self.rows, x, self.columns) / self.inside
        return mean.mean(axis=1, keepdims=True) if self.across == "all" else mean

    def adjoint(self, d: Array) -> Array:
        """From gradients of the local means to those of `x`."""
        if self.across == "all":
            d = np.repeat(d / self.channels, self.channels, axis=1)
        return apply_matrices(self.rows.T, d / self.inside, self.columns.T)

    def shared(self, d: Array) -> Array:
        """Sum over the maps that share one local mean."""
        return d.sum(axis=1, keepdims=True) if self.across == "all" else d


def subtractive_norm2d(
    x: Array, *, size: int = 9, sigma: float = 2.0, across: str = "all", border: str = "corrected"
) -> Array:
    """V = X - local mean (eq 15). Border is corrected, zero, reflect or valid (which crops the maps)."""
    if border != "zero":  # no change but in rounding: constant images give exactly 0 (E6)
        x = x - (x[:, :1, :1, :1] if across == "all" else x[:, :, :1, :1])
    return _crop(x, size, border) - LocalMean.over(x, size, sigma, across, border)(x)


def subtractive_norm2d_backward(
    dy: Array, x: Array, *, size: int = 9, sigma: float = 2.0, across: str = "all", border: str = "corrected"
) -> tuple[Array]:
    """(dx,)."""
    mean = LocalMean.over(x, size, sigma, across, border)
    return (_uncrop(dy, size, border) - mean.adjoint(mean.shared(dy)),)


def local_deviation(
    x: Array, *, size: int = 9, sigma: float = 2.0, across: str = "all", border: str = "corrected"
) -> Array:
    """The root of the local mean of squares, (n, 1 or c, h', w')."""
    return np.sqrt(LocalMean.over(x, size, sigma, across, border)(x**2))


def divisive_norm2d(
    x: Array,
    *,
    size: int = 9,
    sigma: float = 2.0,
    across: str = "all",
    border: str = "corrected",
    c: str | float = "mean",
) -> Array:
    """Y = X / max(c, local deviation, 1e-6); c is a number or the deviation's mean over an image (or map)."""
    deviation = local_deviation(x, size=size, sigma=sigma, across=across, border=border)
    return _crop(x, size, border) / np.maximum(np.maximum(_least(deviation, c), deviation), FLOOR)


def divisive_norm2d_backward(
    dy: Array,
    x: Array,
    *,
    size: int = 9,
    sigma: float = 2.0,
    across: str = "all",
    border: str = "corrected",
    c: str | float = "mean",
) -> tuple[Array]:
    """(dx,): through the deviation where it is the divisor, through its mean where that is, not through the floor."""
    mean = LocalMean.over(x, size, sigma, across, border)
    deviation = local_deviation(x, size=size, sigma=sigma, across=across, border=border)
    least = _least(deviation, c)
    divisor = np.maximum(np.maximum(least, deviation), FLOOR)
    ddivisor = -mean.shared(dy * _crop(x, size, border)) / divisor**2
    ddivisor[np.maximum(least, deviation) < FLOOR] = 0.0
    ddeviation = np.where(deviation > least, ddivisor, 0.0)
    if c == "mean":
        sites = deviation[0, 0].size
        ddeviation += np.where(deviation > least, 0.0, ddivisor).sum(axis=(2, 3), keepdims=True) / sites
    dsquares = np.zeros_like(deviation)
    np.divide(ddeviation, 2 * deviation, out=dsquares, where=deviation > 0)
    return (_uncrop(dy / divisor, size, border) + 2 * x * mean.adjoint(dsquares),)


def contrast_norm2d(
    x: Array,
    *,
    size: int = 9,
    sigma: float = 2.0,
    across: str = "all",
    border: str = "corrected",
    c: str | float = "mean",
) -> Array:
    """Subtractive, then divisive normalisation."""
    v = subtractive_norm2d(x, size=size, sigma=sigma, across=across, border=border)
    return divisive_norm2d(v, size=size, sigma=sigma, across=across, border=border, c=c)


def contrast_norm2d_backward(
    dy: Array,
    x: Array,
    *,
    size: int = 9,
    sigma: float = 2.0,
    across: str = "all",
    border: str = "corrected",
    c: str | float = "mean",
) -> tuple[Array]:
    """(dx,)."""
    v = subtractive_norm2d(x, size=size, sigma=sigma, across=across, border=border)
    (dv,) = divisive_norm2d_backward(dy, v, size=size, sigma=sigma, across=across, border=border, c=c)
    return subtractive_norm2d_backward(dv, x, size=size, sigma=sigma, across=across, border=border)


def _least(deviation: Array, c: str | float) -> Array:
    return deviation.mean(axis=(2, 3), keepdims=True) if c == "mean" else np.full((1, 1, 1, 1), float(c))


def _crop(x: Array, size: int, border: str) -> Array:
    h = (size - 1) // 2 if border == "valid" else 0
    return x[:, :, h : x.shape[2] - h, h : x.shape[3] - h]


def _uncrop(d: Array, size: int, border: str) -> Array:
    h = (size - 1) // 2 if border == "valid" else 0
    return np.pad(d, ((0, 0), (0, 0), (h, h), (h, h)))
