"""Augmentation of one image, pixel by pixel; images are (height, width, channels)."""

from __future__ import annotations

import math

import numpy as np

from .numeric import Array


def warp(image: Array, inverse: Array, fill: Array | None, field: Array | None = None) -> Array:
    """Output pixel (i, j) is the input at ``inverse @ (i, j, 1) + field[:, i, j]``, bilinear; `fill` (or the nearest
    pixel) outside."""
    height, width, _ = image.shape

    def pixel(i: int, j: int) -> Array:
        if fill is not None and not (0 <= i < height and 0 <= j < width):
            return fill
        return image[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]

    out = np.empty_like(image)
    for i in range(height):
        for j in range(width):
            row, column = (float(inverse[k, 0] * i + inverse[k, 1] * j + inverse[k, 2]) for k in (0, 1))
            if field is not None:
                row, column = row + field[0, i, j], column + field[1, i, j]
            top, left = math.floor(row), math.floor(column)
            out[i, j] = 0
            for r, row_share in ((top, top + 1 - row), (top + 1, row - top)):
                for c, column_share in ((left, left + 1 - column), (left + 1, column - left)):
                    out[i, j] += row_share * column_share * pixel(r, c)
    return out


def gaussian(sigma: float) -> Array:
    """Weights of a Gaussian up to four deviations, 64 pixels at most."""
    radius = min(math.ceil(4 * sigma), 64)
    weights = np.array([math.exp(-(t**2) / (2 * sigma**2)) for t in range(-radius, radius + 1)])
    return weights / weights.sum()


def smooth(plane: Array, sigma: float, mode: str) -> Array:
    """A plane (height, width) under a Gaussian; `mode` is numpy's for what lies outside."""
    weights = gaussian(sigma)
    padded = np.pad(plane, len(weights) // 2, mode=mode)  # type: ignore[call-overload]
    rows = np.array([np.convolve(row, weights, "valid") for row in padded])
    return np.array([np.convolve(column, weights, "valid") for column in rows.T]).T


def blur(image: Array, sigma: float) -> Array:
    """Each channel smoothed, its outermost pixels going on for ever."""
    if sigma == 0:
        return image
    return np.stack([smooth(plane, sigma, "edge") for plane in np.moveaxis(image, 2, 0)], axis=2)


def displacement(words: list[int], size: tuple[int, int], sigma: float) -> Array:
    """Two smoothed fields (rows, columns) of numbers in [-1, 1), from 64 random bits per pixel: 24 of each half."""
    found = []
    for shift in (32, 0):
        numbers = [2 * ((word >> shift) % 2**32 // 256) / 2**24 - 1 for word in words]
        found.append(smooth(np.array(numbers).reshape(size), sigma, "constant"))
    return np.array(found)


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
