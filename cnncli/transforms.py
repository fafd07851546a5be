"""Disturbances of images in known doses: shifts, rotations, noise, occlusion, contrast, brightness.

Each is a function of the images, scaled to 0..1, and a level; random ones depend on the image's number and pixel alone,
so that a stronger dose is more of the same noise and every network sees the same images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cnncli import random

Centre = Literal["image", "mass"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images of a set.

    Attributes
    ----------
    pixels : ndarray of float32, shape (images, rows, columns, channels)
        In 0..1.
    first : int
        Number of the first in the set.
    background : ndarray, shape (channels,)
        What comes in from outside.
    centre : {"image", "mass"}
        What rotation, scale and shear leave in place: the middle of the frame, or of what differs from the background.
    """

    pixels: np.ndarray
    first: int
    background: np.ndarray
    centre: Centre = "image"


@dataclass(frozen=True)
class Transform:
    """A disturbance.

    Attributes
    ----------
    unit : str
    neutral : float
        The level that changes nothing; one of `levels`.
    levels : tuple of float
        In ascending order.
    apply : callable
        From a batch and a level to pixels.
    """

    unit: str
    neutral: float
    levels: tuple[float, ...]
    apply: Callable[[Batch, float], np.ndarray]


def background_of(images: np.ndarray) -> np.ndarray:
    """The median of each channel over the frames (outermost rows and columns) of decoded images, in 0..1."""
    frame = np.ones(images.shape[1:3], bool)
    frame[1:-1, 1:-1] = False
    return np.median(scaled(images[:, frame]), axis=(0, 1))


def scaled(images: np.ndarray) -> np.ndarray:
    """Decoded images as float32 in 0..1."""
    full = np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1
    return np.asarray(images / np.float32(full), np.float32)


def unscaled(pixels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Images as they were decoded, clipped to their range; undoes `scaled`."""
    pixels = np.clip(pixels, 0, 1)
    return np.rint(pixels * np.iinfo(dtype).max).astype(dtype) if dtype.kind == "u" else pixels.astype(dtype)


# -- geometry ------------------------------------------------------------------------------------------------------


def affine(batch: Batch, matrix: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Move every point p, (row, column) from the centre, to matrix @ p + shift; bilinear, by the inverse mapping.

    Parameters
    ----------
    batch : Batch
    matrix : ndarray, shape (2, 2)
    shift : (rows, columns)

    Returns
    -------
    ndarray, shaped like ``batch.pixels``
    """
    pixels, background = batch.pixels, batch.background.astype(np.float32)
    n, height, width, channels = pixels.shape
    centre = _centres(batch)[:, :, np.newaxis]  # (n or 1, 2, 1)
    target = np.indices((height, width)).reshape(2, -1) - centre - np.reshape(shift, (2, 1))
    source = np.linalg.inv(matrix) @ target + centre
    whole = np.floor(source)
    part = (source - whole).astype(np.float32)
    row, column = whole.astype(np.int64)[:, 0], whole.astype(np.int64)[:, 1]
    # one line of background on each side: whatever lies outside the frame is read from there
    padded = np.empty((n, height + 2, width + 2, channels), np.float32)
    padded[...] = background
    padded[:, 1:-1, 1:-1] = pixels
    flat = padded.reshape(n, -1, channels)
    image = np.arange(n)[:, np.newaxis]
    out = np.zeros((n, height * width, channels), np.float32)
    for down in (0, 1):
        for right in (0, 1):
            r = np.clip(row + down, -1, height) + 1
            c = np.clip(column + right, -1, width) + 1
            weight = np.abs(1 - down - part[:, 0]) * np.abs(1 - right - part[:, 1])
            place = r * (width + 2) + c
            corner = flat[:, place[0]] if len(place) == 1 else flat[image, place]
            out += weight[..., np.newaxis] * corner
    return out.reshape(pixels.shape)


def _centres(batch: Batch) -> np.ndarray:
    """Rows and columns that stay in place, (images or 1, 2)."""
    height, width = batch.pixels.shape[1:3]
    middle = np.array([[(height - 1) / 2, (width - 1) / 2]])
    if batch.centre == "image":
        return middle
    mass = np.abs(batch.pixels - batch.background.astype(np.float32)).sum(axis=3, dtype=np.float64)
    total = mass.sum(axis=(1, 2))
    rows = (mass.sum(axis=2) @ np.arange(height)) / np.maximum(total, 1e-12)
    columns = (mass.sum(axis=1) @ np.arange(width)) / np.maximum(total, 1e-12)
    return np.where(total[:, np.newaxis] > 0, np.stack([rows, columns], axis=1), middle)


def _shift(rows: int, columns: int) -> Callable[[Batch, float], np.ndarray]:
    return lambda batch, level: affine(batch, np.eye(2), (rows * level, columns * level))


def _rotate(batch: Batch, level: float) -> np.ndarray:
    """Anticlockwise; rows count downwards."""
    sine, cosine = np.sin(np.deg2rad(level)), np.cos(np.deg2rad(level))
    return affine(batch, np.array([[cosine, -sine], [sine, cosine]]))


def _scale(batch: Batch, level: float) -> np.ndarray:
    return affine(batch, np.eye(2) * level)


def _shear(batch: Batch, level: float) -> np.ndarray:
    """What lies above the centre moves right."""
    return affine(batch, np.array([[1.0, 0.0], [-level, 1.0]]))


# -- noise and light -------------------------------------------------------------------------------------------------


def _uniform(batch: Batch, name: str, channels: int) -> np.ndarray:
    """A number in (0, 1) for each pixel and channel, that depends on the image's number but not on the batch."""
    n, height, width, _ = batch.pixels.shape
    size = height * width * channels
    counters = np.arange(batch.first * size, (batch.first + n) * size, dtype=np.uint64)
    drawn = (random.bits(0, random.stream(name), counters) >> np.uint64(11)).astype(np.float64) + 0.5
    return (drawn * 2.0**-53).reshape(n, height, width, channels)


def _gaussian_noise(batch: Batch, level: float) -> np.ndarray:
    u = _uniform(batch, "gaussian_noise", 2 * batch.pixels.shape[3])
    first, second = np.split(u, 2, axis=3)
    noise = np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second)
    return batch.pixels + np.float32(level) * noise.astype(np.float32)


def _salt_and_pepper(batch: Batch, level: float) -> np.ndarray:
    """Of that share of pixels one half becomes white, the other black."""
    u = _uniform(batch, "salt_and_pepper", 1)
    return np.where(u < level / 2, np.float32(0), np.where(u > 1 - level / 2, np.float32(1), batch.pixels))


def _occlusion(batch: Batch, level: float) -> np.ndarray:
    """A square of background, wholly within the frame where it fits."""
    n, height, width, _ = batch.pixels.shape
    side = int(level)
    place = _uniform(batch, "occlusion", 1)[:, 0, :2, 0] if width > 1 else np.zeros((n, 2))
    room = np.maximum([height - side + 1, width - side + 1], 1)
    start = (place * room).astype(np.int64)
    rows = np.arange(height) - start[:, :1]
    columns = np.arange(width) - start[:, 1:]
    inside = ((rows >= 0) & (rows < side))[:, :, np.newaxis] & ((columns >= 0) & (columns < side))[:, np.newaxis]
    return np.where(inside[..., np.newaxis], batch.background.astype(np.float32), batch.pixels)


def _contrast(batch: Batch, level: float) -> np.ndarray:
    """Differences from the image's own mean are multiplied."""
    mean = batch.pixels.mean(axis=(1, 2), keepdims=True)
    return mean + np.float32(level) * (batch.pixels - mean)


def _brightness(batch: Batch, level: float) -> np.ndarray:
    return batch.pixels + np.float32(level)


def _steps(first: float, last: float, step: float) -> tuple[float, ...]:
    return tuple(round(first + i * step, 6) for i in range(round((last - first) / step) + 1))


TRANSFORMS: dict[str, Transform] = {
    "shift_right": Transform("pixels", 0, _steps(0, 8, 1), _shift(0, 1)),
    "shift_down": Transform("pixels", 0, _steps(0, 8, 1), _shift(1, 0)),
    "shift_diagonal": Transform("pixels", 0, _steps(0, 8, 1), _shift(1, 1)),
    "rotation": Transform("degrees", 0, _steps(0, 60, 5), _rotate),
    "scale": Transform("times", 1, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0), _scale),
    "shear": Transform("columns per row", 0, _steps(0, 1, 0.1), _shear),
    "gaussian_noise": Transform("of the range", 0, (0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0), _gaussian_noise),
    "salt_and_pepper": Transform("of the pixels", 0, (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5), _salt_and_pepper),
    "occlusion": Transform("pixels", 0, _steps(0, 14, 2), _occlusion),
    "contrast": Transform("times", 1, (0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0), _contrast),
    "brightness": Transform("of the range", 0, _steps(-0.5, 0.5, 0.1), _brightness),
}
