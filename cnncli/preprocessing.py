"""From decoded images to a network's input: the one path that training, evaluation and prediction share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.datasets._mapped import fetch
from cnncli.errors import SpecError
from cnncli.layers.base import Shape
from cnncli.network import Network
from cnncli.sections import DataSpec, Normalize

if TYPE_CHECKING:
    from cnncli.datasets._fit import Mode
    from cnncli.datasets.base import Dataset, Images

PIECE = 2**18  # pixels that are looked at in one go
_FULL_SCALE = {"uint8": 255, "uint16": 65535, "float32": 1}


def full_scale(dtype: np.dtype) -> int:
    """White, for the kernels: they widen 8 bits to 16, so that values do not depend on the depth of the images."""
    return _FULL_SCALE["uint16" if dtype == np.uint8 else dtype.name]


@dataclass(frozen=True)
class Preprocessing:
    """Pixels become (value / full scale - mean) / std, one mean and std per channel.

    Attributes
    ----------
    size : (height, width)
    channels : {1, 3}
    fit : {"resize", "crop", "pad", "letterbox"}
        How images of another size are brought to `size`.
    mean, std : tuple of float
        In units of the full scale (255 for 8 bits, 65,535 for 16): black is 0, white 1.
    """

    size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Mode = "resize"

    @property
    def shape(self) -> Shape:
        return (self.channels, *self.size)

    @cached_property
    def factors(self) -> dict[np.dtype, tuple[np.ndarray, np.ndarray]]:
        """Scale and shift of each channel by the type of the pixels: x = value * scale + shift."""
        mean, std = np.array(self.mean), np.array(self.std)
        types = [np.dtype(name) for name in _FULL_SCALE]
        return {dtype: (1.0 / (full_scale(dtype) * std), -mean / std) for dtype in types}

    def decode(self, source: str | Path | bytes, name: str | None = None) -> np.ndarray:
        """An image file, or its content, as the network wants it: (height, width, channels)."""
        from cnncli.datasets._images import decode_image

        return decode_image(source, self.size, self.channels, name, self.fit)

    def fitted(self, images: np.ndarray) -> np.ndarray:
        """Decoded images, (N, height, width, channels), as the network wants them."""
        from cnncli.datasets._fit import fit_all

        return fit_all(images, self.size, self.channels, self.fit)

    def load(self, part: Dataset, classes: Sequence[str], indices: np.ndarray | None = None) -> Images:
        """A part of a data set as the network wants it."""
        return part.load(self.size, self.channels, classes, indices, self.fit)

    def fill(self, network: Network, images: np.ndarray, indices: np.ndarray, pixels: np.dtype | None = None) -> None:
        """Put ``images[indices]``, (N, height, width, channels), into the lanes of a network's input.

        `pixels` is the type that images had before they were augmented, which is their full scale still.
        """
        fetch(images, indices)
        scale, shift = self.factors[pixels or images.dtype]
        network.kernels.pack.from_images(images, indices, scale, shift, network.x, network.threads)

    def to_dict(self) -> dict[str, Any]:
        values = {"size": list(self.size), "channels": self.channels, "fit": self.fit}
        return values | {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """The reverse of `to_dict`."""
        height, width = values["size"]
        fit = values.get("fit", "resize")  # older checkpoints know nothing else
        return cls((height, width), values["channels"], tuple(values["mean"]), tuple(values["std"]), fit)


def configured(
    data: DataSpec, size: tuple[int, int], channels: int, fit: Mode, images: np.ndarray | None
) -> Preprocessing:
    """What a config says becomes of images of this size; ``normalize: auto`` needs those of training."""
    if data.normalize == "auto":
        assert images is not None
        mean, std = statistics(images)
    elif isinstance(data.normalize, Normalize):
        mean, std = _per_channel(data.normalize.mean, channels), _per_channel(data.normalize.std, channels)
    else:
        mean, std = (0.0,) * channels, (1.0,) * channels
    return Preprocessing(size, channels, mean, std, fit)


def _per_channel(value: float | tuple[float, ...], channels: int) -> tuple[float, ...]:
    values = tuple(map(float, value)) if isinstance(value, tuple) else (float(value),) * channels
    if len(values) != channels:
        raise SpecError(f"data.normalize: {len(values)} numbers for images of {channels} channels")
    return values


def statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel in units of the full scale.

    Parameters
    ----------
    images : ndarray, shape (N, height, width, channels), uint8, uint16 or float32

    Returns
    -------
    mean, std : tuple of float
        A channel that does not vary has standard deviation 1.
    """
    means, deviations = [], []
    if images.dtype.kind == "u":
        for counts in _counts(images).tolist():  # whole numbers: exact, whatever the order and the machine
            number, white = sum(counts), len(counts) - 1
            total = sum(count * level for level, count in enumerate(counts))
            squares = sum(count * level**2 for level, count in enumerate(counts))
            means.append(total / (number * white))
            deviations.append(math.sqrt((number * squares - total**2) / (number * white) ** 2))
    else:
        for values in np.moveaxis(images, 3, 0):
            means.append(float(values.mean(dtype=np.float64)))
            deviations.append(float(np.square(values - means[-1], dtype=np.float64).mean()) ** 0.5)
    return tuple(means), tuple(deviation or 1.0 for deviation in deviations)


def _counts(images: np.ndarray) -> np.ndarray:
    """How often each value occurs in each channel; in pieces, as not all images may fit the memory."""
    channels, values = images.shape[3], _FULL_SCALE[images.dtype.name] + 1
    counts = np.zeros((channels, values), np.int64)
    some = max(1, PIECE // (images.shape[1] * images.shape[2]))
    for first in range(0, len(images), some):
        piece = images[first : first + some]
        fetch(images, np.arange(first, first + len(piece)))
        for channel in range(channels):
            counts[channel] += np.bincount(piece[..., channel].ravel(), minlength=values)
    return counts
