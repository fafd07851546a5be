"""Images brought to one size and one number of channels: four ways, one code for training, evaluation, prediction.

An image that has the size already is never touched. Otherwise, with bilinear interpolation and antialiasing:

``resize``
    the whole image, stretched to the size; its proportions change.
``crop``
    the largest part from its centre that has the proportions of the size; what is outside is lost.
``letterbox``
    the whole image in its proportions, with black bars on two sides.
``pad``
    not scaled: set in the centre of a black image; what is larger is cut at both ends alike.

Colours become grey as ITU-R 601 has it, grey becomes colour by repetition.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from cnncli.errors import DataError

Size = tuple[int, int]  # (height, width)
Mode = Literal["resize", "crop", "pad", "letterbox"]

_BILINEAR = Image.Resampling.BILINEAR


def fit(image: np.ndarray, size: Size | None, channels: int | None, mode: Mode = "resize") -> np.ndarray:
    """An image of shape (height, width, channels) in another number of channels and another size, where they differ."""
    found = image.shape[2]
    if channels is not None and channels != found:
        if {channels, found} != {1, 3}:
            raise DataError(f"{found} channels cannot be turned into {channels}; only 3 into 1 and 1 into 3")
        image = _to_grey(image) if channels == 1 else np.repeat(image, 3, axis=2)
    if size is None or tuple(size) == image.shape[:2]:
        return image
    if mode == "pad":
        return _centred(image, size)
    height, width = image.shape[:2]
    rows, columns = size
    if mode == "crop":
        scale = min(height / rows, width / columns)
        top, left = max(0.0, (height - scale * rows) / 2), max(0.0, (width - scale * columns) / 2)
        return _resize(image, size, (left, top, width - left, height - top))
    if mode == "letterbox":
        scale = min(rows / height, columns / width)
        inner = max(1, min(rows, round(scale * height))), max(1, min(columns, round(scale * width)))
        return _centred(image if inner == (height, width) else _resize(image, inner), size)
    return _resize(image, size)


def fit_all(images: np.ndarray, size: Size | None, channels: int | None, mode: Mode = "resize") -> np.ndarray:
    """`fit` for every image of an array of shape (images, height, width, channels); the result is C-contiguous."""
    shape = (*(size or images.shape[1:3]), channels or images.shape[3])
    if shape == images.shape[1:]:
        return np.ascontiguousarray(images)
    out = np.empty((len(images), *shape), images.dtype)
    for image, fitted in zip(images, out, strict=True):
        fitted[...] = fit(image, size, channels, mode)
    return out


def _to_grey(image: np.ndarray) -> np.ndarray:
    """ITU-R 601 luma, 0.299 R + 0.587 G + 0.114 B, in the 16-bit fixed point of Pillow's own conversion."""
    floating = image.dtype == np.float32
    red, green, blue = np.moveaxis(image if floating else image.astype(np.uint32), 2, 0)
    if floating:
        return (np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue)[:, :, np.newaxis]
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(image.dtype)[:, :, np.newaxis]


def _resize(image: np.ndarray, size: Size, box: tuple[float, float, float, float] | None = None) -> np.ndarray:
    """The image, or the part of it in `box` (left, top, right, bottom), stretched to `size`."""
    planes = np.moveaxis(image, 2, 0)
    # Pillow resamples planes of 8 bits and of floats; 16 bits fit a float exactly
    work = planes if image.dtype == np.uint8 else planes.astype(np.float32)
    resized = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], _BILINEAR, box, reducing_gap=2.0))
        for plane in work
    ]
    out = np.stack(resized, axis=2)
    return np.clip(np.rint(out), 0, 65535).astype(np.uint16) if image.dtype == np.uint16 else out


def _centred(image: np.ndarray, size: Size) -> np.ndarray:
    """The image in the centre of a black one, cut where it is larger."""
    out = np.zeros((*size, image.shape[2]), image.dtype)
    source, target = zip(*(_overlap(have, want) for have, want in zip(image.shape, size, strict=False)), strict=True)
    out[target] = image[source]
    return out


def _overlap(have: int, want: int) -> tuple[slice, slice]:
    """Where two ranges with one centre overlap, in each of them."""
    length = min(have, want)
    first, place = (have - length) // 2, (want - length) // 2
    return slice(first, first + length), slice(place, place + length)
