"""Images that are there twice: the same bytes, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from cnncli.datasets.base import Images

GRID = 8  # an image is compared by the means of this many parts each way
ALIKE = 0.99  # correlation from which two images of different parts count as nearly the same
BLOCK = 1024
MOST_PAIRS = 3e9  # images of one part times images of another; more would take minutes


@dataclass(frozen=True)
class Pair:
    """Two images that are the same, or nearly so."""

    first: str
    second: str


def fingerprints(images: Images) -> list[bytes]:
    """A hash of each image's pixels, as the network gets them."""
    return [blake2b(image.tobytes(), digest_size=16).digest() for image in images.images]


def contradictions(images: Images, prints: list[bytes]) -> tuple[int, list[Pair]]:
    """How many images repeat an earlier one, and the pairs among them with different labels."""
    first: dict[bytes, int] = {}
    repeated, pairs = 0, []
    for index, each in enumerate(prints):
        other = first.setdefault(each, index)
        if other != index:
            repeated += 1
            if images.labels[other] != images.labels[index]:
                pairs.append(Pair(images.names[other], images.names[index]))
    return repeated, pairs


def shared(one: Images, prints: list[bytes], other: Images, others: list[bytes]) -> list[Pair]:
    """Images of `other` that are in `one` too."""
    first: Mapping[bytes, int] = {each: index for index, each in reversed(list(enumerate(prints)))}
    return [Pair(one.names[first[each]], other.names[index]) for index, each in enumerate(others) if each in first]


def alike(one: Images, other: Images) -> list[Pair] | None:
    """Images of `other` with one in `one` that is nearly the same but for brightness and contrast; None if too many.

    Candidates are found by a perceptual hash, the normalised means over a grid of parts, and must then agree pixel by
    pixel: their correlation is at least `ALIKE` both times. Images without contrast are left out.
    """
    if len(one) * len(other) > MOST_PAIRS:
        return None
    known, sought = _parts(one.images), _parts(other.images)
    pairs = []
    for start in range(0, len(sought), BLOCK):
        best, place = np.full(min(BLOCK, len(sought) - start), -1.0, np.float32), np.zeros(BLOCK, np.int64)
        for begin in range(0, len(known), BLOCK):
            found = sought[start : start + BLOCK] @ known[begin : begin + BLOCK].T
            highest = found.argmax(axis=1)
            value = found[np.arange(len(found)), highest]
            better = value > best
            best[better], place[: len(found)][better] = value[better], begin + highest[better]
        for row in np.flatnonzero(best >= ALIKE).tolist():
            index, match = start + row, int(place[row])
            pixels = (one.images[match], other.images[index])
            a, b = (_normalized(image.reshape(1, -1).astype(np.float64))[0] for image in pixels)
            if a @ b >= ALIKE and not np.array_equal(*pixels):
                pairs.append(Pair(one.names[match], other.names[index]))
    return pairs


def _parts(images: np.ndarray) -> np.ndarray:
    """Means over the parts of a grid, normalised: float32, shape (N, parts)."""
    rows, columns = (_edges(size) for size in images.shape[1:3])
    found = np.empty((len(images), len(rows) * len(columns)), np.float32)
    for start in range(0, len(images), BLOCK):
        grey = images[start : start + BLOCK].mean(axis=3, dtype=np.float32)
        sums = np.add.reduceat(np.add.reduceat(grey, rows, axis=1), columns, axis=2)
        areas = np.outer(np.diff([*rows, images.shape[1]]), np.diff([*columns, images.shape[2]]))
        found[start : start + BLOCK] = (sums / areas).reshape(len(grey), -1)
    return _normalized(found)


def _edges(size: int) -> np.ndarray:
    return np.unique(np.linspace(0, size, min(GRID, size), endpoint=False).astype(np.int64))


def _normalized(rows: np.ndarray) -> np.ndarray:
    """Rows of mean 0 and length 1; 0 where all entries are equal."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 1e-3, length, np.inf)
