"""What decoding a part of a data set gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Skipped:
    """An image that was left out.

    Attributes
    ----------
    name, label : str
        Its path, or ``file[index]``, and its class.
    reason : str
        What is wrong with it.
    """

    name: str
    label: str
    reason: str


@dataclass(frozen=True, eq=False)
class Images:
    """Decoded images with their labels.

    Attributes
    ----------
    images : ndarray of uint8, uint16 or float32, shape (images, height, width, channels), C-contiguous
        Integers use their whole range (255 or 65535 is white), floats are in 0..1.
    labels : ndarray of int32, shape (images,)
        Positions in `classes`.
    names : sequence of str
        A path, or ``file[index]``, for each image.
    classes : tuple of str
    skipped : tuple of Skipped
        What else there was to be, but could not be read.
    """

    images: np.ndarray
    labels: np.ndarray
    names: Sequence[str]
    classes: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)
