"""Augmentation of one image, pixel by pixel; images are (height, width, channels)."""

from __future__ import annotations

import math

import numpy as np

from .numeric import Array


def warp(image: Array, inverse: Array, fill: Array | None) -> Array:
    """Output pixel (i, j) is the input at ``inverse @ (i, j, 1)``, bilinear; `fill` (or the nearest pixel) outside."""
    height, width, _ = image.shape

    def pixel(i: int, j: int) -> Array:
        if fill is not None and not (0 <= i < height and 0 <= j < width):
            return fill
        return image[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]

    out = np.empty_like(image)
    for i in range(height):
        for j in range(width):
            row, column = (float(inverse[k, 0] * i + inverse[k, 1] * j + inverse[k, 2]) for k in (0, 1))
            top, left = math.floor(row), math.floor(column)
            out[i, j] = 0
            for r, row_share in ((top, top + 1 - row), (top + 1, row - top)):
                for c, column_share in ((left, left + 1 - column), (left + 1, column - left)):
                    out[i, j] += row_share * column_share * pixel(r, c)
    return out


def light(image: Array, gain: float, offset: float) -> Array:
    """Each channel's differences from its mean times `gain`, and `offset` added."""
    mean = image.mean(axis=(0, 1))
    return mean + gain * (image - mean) + offset


def noise(words: list[int]) -> list[float]:
    """Two normal numbers for each 64 random bits: the upper 24 bits give the radius, the lowest 24 but 8 the angle."""
    found = []
    for word in words:
        u = ((word >> 40) + 0.5) / 2**24
        angle = 2 * math.pi * (((word >> 8) % 2**24) / 2**24)
        radius = math.sqrt(-2 * math.log(u))
        found += [radius * math.cos(angle), radius * math.sin(angle)]
    return found


def cut(image: Array, hole: tuple[int, int, int, int], fill: Array) -> Array:
    """Rows hole[0] to hole[1] - 1, columns hole[2] to hole[3] - 1 are `fill`, as far as there are such."""
    out = image.copy()
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            if hole[0] <= i < hole[1] and hole[2] <= j < hole[3]:
                out[i, j] = fill
    return out
