"""From decoded images to a network's input: the one path that training, evaluation and prediction share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnncli.layers.base import Shape
from cnncli.network import Network

if TYPE_CHECKING:
    from cnncli.datasets._fit import Mode
    from cnncli.datasets.base import Dataset, Images

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
    full = _FULL_SCALE[images.dtype.name]
    means, deviations = [], []
    for channel in range(images.shape[3]):
        values = images[..., channel].ravel()
        if values.dtype.kind == "u":  # exact, whatever the order: sums of whole numbers
            pieces = np.array_split(values, -(-values.size // 2**16))  # bincount makes 8 bytes of each value
            counts = sum(np.bincount(piece, minlength=full + 1) for piece in pieces)
            levels = np.arange(full + 1) / full
            mean = float(counts @ levels / values.size)
            variance = float(counts @ (levels - mean) ** 2 / values.size)
        else:
            mean = float(values.mean(dtype=np.float64))
            variance = float(np.square(values - mean, dtype=np.float64).mean())
        means.append(mean)
        deviations.append(variance**0.5 or 1.0)
    return tuple(means), tuple(deviations)
