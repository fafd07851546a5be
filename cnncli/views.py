"""Test-time augmentation: several views of an image, whose scores are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from cnncli.datasets._fit import fit_all

SHIFT = 14  # a shift moves by this part of the image's size
CROP = 7 / 8  # of the image's rows and columns are seen in a crop


def _flip(images: np.ndarray) -> Iterator[np.ndarray]:
    yield images[:, :, ::-1]


def _shift(images: np.ndarray) -> Iterator[np.ndarray]:
    """Up, down, left and right by a fourteenth of the size, at least one pixel; the outermost pixels are repeated."""
    for axis in (1, 2):
        size = images.shape[axis]
        step = max(1, round(size / SHIFT))
        for by in (-step, step):
            yield images.take(np.clip(np.arange(size) - by, 0, size - 1), axis=axis)


def _five_crop(images: np.ndarray) -> Iterator[np.ndarray]:
    """The four corners and the centre, each brought back to the size."""
    height, width = images.shape[1:3]
    rows, columns = max(1, round(CROP * height)), max(1, round(CROP * width))
    for top, left in (
        (0, 0), (0, width - columns), (height - rows, 0), (height - rows, width - columns),
        ((height - rows) // 2, (width - columns) // 2),
    ):  # fmt: skip
        yield fit_all(images[:, top : top + rows, left : left + columns], (height, width), None)


VIEWS: dict[str, Callable[[np.ndarray], Iterator[np.ndarray]]] = {
    "flip": _flip,
    "shift": _shift,
    "five-crop": _five_crop,
}


def views(images: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The images themselves and their views, all views of an image one after another.

    Parameters
    ----------
    images : ndarray, shape (N, height, width, channels)
    names : sequence of str
        Of `VIEWS`.

    Returns
    -------
    ndarray, shape (N, views, height, width, channels)
    """
    return np.stack([images, *(view for name in names for view in VIEWS[name](images))], axis=1)
