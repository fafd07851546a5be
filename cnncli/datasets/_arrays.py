"""Images and labels that come as arrays: checks and reading, shared by the formats that hold them so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cnncli.datasets._files import check_memory, shown
from cnncli.datasets._fit import Mode, Size, fit_all
from cnncli.errors import DataError

MAX_CLASSES = 65_536


def image_shape(name: object, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(images, height, width, channels) of an array of images; DataError if it cannot be one."""
    if len(shape) not in (3, 4):
        raise DataError(
            f"{shown(name)}: images of shape {shape}; "
            "expected (images, height, width) or (images, height, width, channels)"
        )
    if 0 in shape:
        raise DataError(f"{shown(name)}: no images (shape {shape})")
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        raise DataError(
            f"{shown(name)}: images of shape {shape} have their channels in front; they belong last, "
            f"as in {(shape[0], *shape[2:], shape[1])}"
        )
    count, height, width, channels = (*shape, 1)[:4]
    return count, height, width, channels


def numbered_classes(name: object, labels: np.ndarray, images: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Classes ``0``, ``1``, ... up to the largest label, and the labels as int32; DataError if they are no labels."""
    if len(labels) != images:
        raise DataError(f"{shown(name)}: {len(labels)} labels for {images} images")
    for wrong, rule in ((labels < 0, "negative"), (labels >= MAX_CLASSES, f"too large, at most {MAX_CLASSES - 1}")):
        if wrong.any():
            index = int(np.argmax(wrong))
            raise DataError(f"{shown(name)}[{index}]: label {labels[index]} is {rule}")
    return tuple(map(str, range(int(labels.max()) + 1))), labels.astype(np.int32)


def gather(
    path: Path, pieces: Iterable[np.ndarray], indices: np.ndarray, size: Size, channels: int, mode: Mode
) -> np.ndarray:
    """Some images out of pieces that follow each other, so that what is not wanted is never all in memory.

    Parameters
    ----------
    path : Path
        Named where there is not enough memory.
    pieces : iterable of ndarray, shape (images, height, width, channels)
    indices : ndarray of int64
        Which images, counted over all pieces.
    size, channels, mode
        What they are brought to; see `fit`.
    """
    shape = (len(indices), *size, channels)
    check_memory(path, math.prod(shape))
    out = np.empty(shape, np.uint8)
    order = np.argsort(indices, kind="stable")
    first = 0
    for piece in pieces:
        begin, end = np.searchsorted(indices[order], (first, first + len(piece)))
        wanted = order[begin:end]
        out[wanted] = fit_all(piece[indices[wanted] - first], size, channels, mode)
        first += len(piece)
    return out
