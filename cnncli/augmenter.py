"""What augmentation does to the images of a training set in each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from cnncli import random, registry
from cnncli.augmentations.base import Augmentation, Changes
from cnncli.preprocessing import full_scale
from cnncli.transforms import background_of, scaled, unscaled


class Augmenter:
    """Augmentations of a set of images.

    What happens to an image depends on the seed, the epoch, and its place in the set; not on batches, threads, or what
    was done before.

    Parameters
    ----------
    augmentations : sequence of Augmentation
    images : ndarray of uint8, uint16 or float32, shape (N, height, width, channels)
    fill : {"auto", "edge"} or float
        What lies outside an image, see `DataSpec`. Holes have no nearest pixel: with "edge" they are filled by "auto".
    seed : int
    kernels : Kernels
    """

    def __init__(
        self,
        augmentations: Sequence[Augmentation],
        images: np.ndarray,
        fill: Literal["auto", "edge"] | float,
        seed: int,
        kernels: Any,
    ) -> None:
        self._augmentations, self._images, self._seed, self._kernels = augmentations, images, seed, kernels
        colour = background_of(images) if isinstance(fill, str) else np.full(images.shape[3], fill)
        self._fill, self._edge = colour.astype(np.float32), fill == "edge"
        self._epoch: int | None = None

    @property
    def scratch_size(self) -> int:
        """Elements of scratch that a thread needs."""
        size: int = self._kernels.augment.scratch_size(*self._images.shape[1:3])
        return size

    def changes(self, epoch: int) -> Changes:
        """What is done to each image of the set in an epoch, counted from 0."""
        changes = Changes(len(self._images), self._images.shape[1:3])
        for i, augmentation in enumerate(self._augmentations):
            stream = f"augment.{i}.{registry.name_of(augmentation)}"
            draws = [self._draw(f"{stream}.{k}", epoch) for k in range(augmentation.draws)]
            augmentation.apply(random.fractions(np.array(draws, np.uint64)), changes)
        return changes

    def _draw(self, stream: str, epoch: int) -> np.ndarray:
        return random.per_image(self._seed, random.stream(stream), epoch, len(self._images))

    def _begin(self, epoch: int) -> None:
        changes = self.changes(epoch)
        self._inverse = changes.inverse()
        self._light = np.stack([changes.gain, changes.offset], axis=1, dtype=np.float32)
        self._noise = changes.noise
        self._keys = self._draw("augment.noise", epoch)
        self._holes = (
            np.stack(changes.holes, axis=1) if changes.holes else np.zeros((len(self._images), 0, 4), np.int32)
        )
        self._epoch = epoch

    def apply(self, epoch: int, indices: np.ndarray, out: np.ndarray, scratch: np.ndarray, threads: int) -> None:
        """``images[indices]`` as they are in an epoch.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        indices : ndarray of int64, shape (n,)
        out : ndarray of float32, shape (n or more, height, width, channels)
            In 0..65535 for images of 8 and 16 bits, in 0..1 for floats.
        scratch : ndarray of float32, shape (threads, scratch_size)
        """
        if epoch != self._epoch:
            self._begin(epoch)
        self._kernels.augment.change_images(
            self._images, indices, self._inverse, self._light, self._noise, self._keys, self._holes, self._fill,
            self._edge, out, scratch, threads,
        )  # fmt: skip

    def pictures(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        """What `apply` gives, to be looked at: uint8, shape (n, height, width, channels)."""
        out = np.empty((len(indices), *self._images.shape[1:]), np.float32)
        self.apply(epoch, indices, out, np.empty((1, self.scratch_size), np.float32), threads=1)
        return unscaled(out / full_scale(self._images.dtype), np.dtype(np.uint8))

    def originals(self, indices: np.ndarray) -> np.ndarray:
        """The images themselves, like `pictures`."""
        return unscaled(scaled(self._images[indices]), np.dtype(np.uint8))
