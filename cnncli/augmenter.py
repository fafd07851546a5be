"""What augmentation does to the images of a training set in each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from cnncli import random, registry
from cnncli.augmentations.base import Augmentation, Changes
from cnncli.datasets._mapped import fetch
from cnncli.errors import SpecError
from cnncli.preprocessing import full_scale
from cnncli.transforms import background_of, scaled, unscaled


class Changed:
    """Images of one epoch with what is to be done to each, ready for the kernel; see `Augmenter.prepare`.

    Attributes
    ----------
    mixes : list of Mix
    """

    def __init__(self, changes: Changes, order: np.ndarray, keys: Mapping[str, np.ndarray]) -> None:
        count = len(order)
        self._order, self._noise = order, changes.noise
        no_colour = np.zeros((0, 0, 0), np.float32)
        self._colour = no_colour if changes.colour is None else changes.colour.astype(np.float32, order="C")
        self._inverse = changes.inverse()
        self._elastic = np.array(changes.elastic, np.float32).reshape(-1, 2)
        self._keys = np.stack([keys["elastic"], keys["noise"]], axis=1)
        self._look = np.stack([changes.blur, changes.gain, changes.offset], axis=1, dtype=np.float32)
        self._holes = np.stack(changes.holes, axis=1) if changes.holes else np.zeros((count, 0, 4), np.int32)
        self.mixes = changes.mixes
        self._partner_keys = [keys[f"mix.{i}"] for i in range(len(self.mixes))]

    def arguments(self, places: slice) -> tuple[Any, ...]:
        """What the kernel wants to know of the images at some places of the epoch's order."""
        colour = self._colour[places] if len(self._colour) else self._colour
        return (
            self._order[places], colour, self._inverse[places], self._elastic, self._keys[places], self._look[places],
            self._noise, self._holes[places],
        )  # fmt: skip

    def partners(self, mix: int, places: slice) -> np.ndarray:
        """For each image of a batch the place, within the batch, of the one that it is mixed with.

        All stand in a circle in random order, and each is mixed with the next.
        """
        circle = np.argsort(self._partner_keys[mix][places], kind="stable")
        found = np.empty_like(circle)
        found[circle] = np.roll(circle, -1)
        return found


class Augmenter:
    """Augmentations of a set of images.

    What happens to an image depends on the seed, the epoch, its place in the set, and how often it came before in the
    epoch; not on threads, or what was done before. Only what mixes images depends on the batch, too.

    Parameters
    ----------
    augmentations : sequence of Augmentation
    images : ndarray of uint8, uint16 or float32, shape (N, height, width, channels)
    fill : {"auto", "edge"} or float
        What lies outside an image, see `DataSpec`. Holes have no nearest pixel: with "edge" they are filled by "auto".
    seed : int
    kernels : Kernels

    Raises
    ------
    SpecError
        An augmentation wants colour, and there is none.
    """

    def __init__(
        self,
        augmentations: Sequence[Augmentation],
        images: np.ndarray,
        fill: Literal["auto", "edge"] | float,
        seed: int,
        kernels: Any,
    ) -> None:
        for augmentation in augmentations:
            if augmentation.only_colour and images.shape[3] != 3:
                name = registry.name_of(augmentation)
                raise SpecError(f"data.augment: {name} needs colour images, and these are grey")
        self._augmentations, self._images, self._seed, self._kernels = augmentations, images, seed, kernels
        colour = background_of(images) if isinstance(fill, str) else np.full(images.shape[3], fill)
        self._fill, self._edge = colour.astype(np.float32), fill == "edge"

    @property
    def scratch_size(self) -> int:
        """Elements of scratch that a thread needs."""
        size: int = self._kernels.augment.scratch_size(*self._images.shape[1:3])
        return size

    def changes(self, epoch: int, order: np.ndarray) -> Changes:
        """What is done to images in an epoch, counted from 0; see `cnncli.sampling` for copies of one image."""
        changes = Changes(len(order), self._images.shape[1:3])
        for i, augmentation in enumerate(self._augmentations):
            stream = f"augment.{i}.{registry.name_of(augmentation)}"
            draws = [self._draw(f"{stream}.{k}", epoch, order) for k in range(augmentation.draws)]
            augmentation.apply(random.fractions(np.array(draws, np.uint64)), changes)
        return changes

    def prepare(self, epoch: int, order: np.ndarray) -> Changed:
        """The images ``order % N`` as they are in an epoch, for `apply`."""
        changes = self.changes(epoch, order)
        streams = ["elastic", "noise", *(f"mix.{i}" for i in range(len(changes.mixes)))]
        keys = {stream: self._draw(f"augment.{stream}", epoch, order) for stream in streams}
        return Changed(changes, order % len(self._images), keys)

    def _draw(self, stream: str, epoch: int, order: np.ndarray) -> np.ndarray:
        return random.per_image(self._seed, random.stream(stream), epoch, order)

    def apply(self, changed: Changed, places: slice, out: np.ndarray, scratch: np.ndarray, threads: int) -> None:
        """Make the images at some places of an epoch's order.

        Parameters
        ----------
        changed : Changed
        places : slice
        out : ndarray of float32, shape (n or more, height, width, channels)
            In 0..65535 for images of 8 and 16 bits, in 0..1 for floats.
        scratch : ndarray of float32, shape (threads, scratch_size)
        """
        indices, *arguments = changed.arguments(places)
        fetch(self._images, indices)
        self._kernels.augment.change_images(
            self._images, indices, *arguments, self._fill, self._edge, out, scratch, threads
        )
        images = out[: len(indices)]
        for i, mix in enumerate(changed.mixes):
            others = images[changed.partners(i, places)]
            if mix.boxes is None:
                own = mix.own[places].astype(np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
                images *= own
                others *= 1 - own
                images += others
            else:
                for image, other, (top, bottom, left, right) in zip(images, others, mix.boxes[places], strict=True):
                    image[top:bottom, left:right] = other[top:bottom, left:right]

    def mix_targets(self, changed: Changed, places: slice, targets: np.ndarray) -> None:
        """Mix the classes of images, (n, classes), as `apply` mixes them, in place."""
        for i, mix in enumerate(changed.mixes):
            own = mix.own[places, np.newaxis]
            targets[...] = own * targets + (1 - own) * targets[changed.partners(i, places)]

    def pictures(self, epoch: int, indices: np.ndarray) -> np.ndarray:
        """What `apply` gives, to be looked at: uint8, shape (n, height, width, channels); mixed with one another."""
        out = np.empty((len(indices), *self._images.shape[1:]), np.float32)
        scratch = np.empty((1, self.scratch_size), np.float32)
        self.apply(self.prepare(epoch, indices), slice(None), out, scratch, threads=1)
        return unscaled(out / full_scale(self._images.dtype), np.dtype(np.uint8))

    def originals(self, indices: np.ndarray) -> np.ndarray:
        """The images themselves, like `pictures`."""
        return unscaled(scaled(self._images[indices]), np.dtype(np.uint8))
