"""A first config for a data set: a network of a size that suits it, and settings that work without a search."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from cnncli import yamlio
from cnncli.datasets._files import shown
from cnncli.datasets._images import probe_image
from cnncli.datasets.base import Dataset, Source
from cnncli.errors import CnnError, DataError

LARGEST = 128  # pixels of the longer side: more takes hours on a few processors
UNEVEN = (32, 64, 96, 128)  # sides that images of several sizes are brought to
LOOKED_AT = 100  # images of several sizes
SMALLEST_MAP = 8  # maps are halved until a side is no longer than this
STEPS = 2500  # of training, where that is neither very few nor very many passes over the images
COLUMN = 54  # where comments begin


@dataclass(frozen=True)
class Recipe:
    """What is chosen for a data set, before it is written down."""

    size: tuple[int, int]
    channels: int
    classes: int
    images: int

    @property
    def small(self) -> bool:
        """Whether images are as small as digits, where the place of a stroke matters."""
        return max(self.size) <= 32

    @property
    def batch_size(self) -> int:
        """At least twenty steps in an epoch where there are images for it; a multiple of 32 is computed best."""
        return 64 if self.images >= 20 * 64 else 32 if self.images >= 100 else 8

    @property
    def epochs(self) -> int:
        """Few passes over many images, many over few."""
        return int(np.clip(STEPS * self.batch_size // self.images, 10, 60))

    @property
    def augment(self) -> list[str]:
        """What changes no digit into another; photographs may be mirrored too."""
        side = max(1, min(self.size) // 14)
        if self.channels == 1:
            return [f"{{shift: {side}}}", "{rotate: 10}", "{scale: 0.1}"]
        return ["flip", f"{{shift: {2 * side}}}", "{scale: 0.1}"]

    def layers(self) -> Iterator[tuple[str, str]]:
        """The entries of the list, each with a comment or nothing."""
        maps = 16 if self.images < 10_000 else 32
        rows, columns = self.size
        if min(self.size) > 64:
            rows, columns = -(-rows // 2), -(-columns // 2)
            yield f"conv2d: {{out_channels: {maps}, kernel_size: 5, padding: 2, stride: 2, bias: none}}", ""
        else:
            kernel = "kernel_size: 5, padding: 2" if self.small and min(self.size) > SMALLEST_MAP else _KERNEL
            yield f"conv2d: {{out_channels: {maps}, {kernel}, bias: none}}", ""
        yield from _NORMALIZED
        while min(rows, columns) > SMALLEST_MAP:
            rows, columns, maps = rows // 2, columns // 2, min(2 * maps, 128)
            yield "max_pool2d: {kernel_size: 2}", f"{rows}x{columns}"
            yield f"conv2d: {{out_channels: {maps}, {_KERNEL}, bias: none}}", ""
            yield from _NORMALIZED
        if not self.small:
            yield "global_avg_pool2d", "what is seen, wherever it is"
        yield "dropout: {p: 0.3}", "against learning by heart"
        yield f"linear: {{out_features: {self.classes}}}", "a score for each class"


_KERNEL = "kernel_size: 3, padding: 1"
_NORMALIZED = (("batch_norm2d", ""), ("relu", ""))


def starter(source: Source, path: str) -> str:
    """The text of a config that trains on a data set as it is.

    Parameters
    ----------
    source : Source
        What `path` holds.
    path : str
        As the config is to name it.

    Raises
    ------
    DataError
        The set has no part to train on, or one class only.
    """
    if not path.isprintable():
        raise DataError(f"{shown(path)}: a config cannot name this path; rename it")
    train = source.part("train")
    names = train.class_names(None)
    size, reason = _size(train)
    fit = "" if train.size else ", fit: crop"
    recipe = Recipe(size, train.channels, len(names), len(train))
    colours = "colour" if recipe.channels == 3 else "grey"
    lines: list[tuple[str, str]] = [
        (f"# Made by `cnn init` for {len(train):,} {colours} training images of {len(names)} classes.", ""),
        ("# `cnn check` looks it over, `cnn train` trains it, `cnn show augment` shows what the network will see.", ""),
        ("data:", ""),
        ("  " + yamlio.dump({"train": path}).strip(), source.format.replace("_", " ")),
        *_other_parts(source, len(train)),
        (f"  image: {{size: [{size[0]}, {size[1]}], channels: {recipe.channels}{fit}}}", reason),
        (f"  classes: {len(names)}", _listed(names)),
        (f"  augment: [{', '.join(recipe.augment)}]", "changes of the training images, anew in every epoch"),
        *([("  fill: edge", "what a moved image leaves free: the nearest pixel")] if recipe.channels == 3 else []),
        ("model:", ""),
        *((f"  - {entry}", comment) for entry, comment in recipe.layers()),
        ("loss: softmax_cross_entropy", ""),
        ("optimizer: {adamw: {lr: 2e-3, weight_decay: 0.01}}", "if the loss jumps, a lower lr"),
        ("schedule: {cosine: {warmup_epochs: 1}}", "the rate rises for an epoch, then falls to 0"),
        (f"train: {{epochs: {recipe.epochs}, batch_size: {recipe.batch_size}, seed: 0}}", ""),
    ]
    return "".join(f"{text.ljust(COLUMN)}  # {comment}\n" if comment else f"{text}\n" for text, comment in lines)


def _other_parts(source: Source, images: int) -> Iterator[tuple[str, str]]:
    """What is validated and tested on; parts beside the training set are found without being named."""
    if (part := source.beside("validation")) is None:
        share = 0.1 if images >= 500 else 0.2
        if round(share * images):
            yield f"  validation: {share}", "a share of the training images, of each class alike"
    else:
        yield f"  # validation: {len(part):,} images, found beside the training set", ""
    test = source.beside("test")
    found = f"{len(test):,} images, found beside the training set" if test else "PATH, where there is a test set"
    yield f"  # test: {found}", ""


def _size(train: Dataset) -> tuple[tuple[int, int], str]:
    """What images are brought to, and why."""
    if train.size is None:
        side = _typical_side(train)
        return (side, side), "sizes differ: scaled, then cut around the centre"
    if max(train.size) <= LARGEST:
        return train.size, "height and width as they are"
    height, width = (max(1, round(side * LARGEST / max(train.size))) for side in train.size)
    return (height, width), f"they are {train.size[0]}x{train.size[1]}; smaller is many times faster"


def _typical_side(train: Dataset) -> int:
    """A side of `UNEVEN` that few images would have to be blown up for."""
    sides = []
    for index in np.linspace(0, len(train) - 1, min(LOOKED_AT, len(train))).astype(int):
        if os.path.isfile(name := train.names[index]):
            try:
                sides.append(min(probe_image(Path(name))[0]))
            except CnnError:
                continue
    usual = median(sides) if sides else UNEVEN[1]
    limit = UNEVEN[1] if len(train) > 5000 else UNEVEN[2]
    return max((side for side in UNEVEN if side <= min(usual, limit)), default=UNEVEN[0])


def _listed(names: tuple[str, ...]) -> str:
    if all(name.isdecimal() for name in names):
        return ""
    return shown(", ".join(names[:6])) + (", ..." if len(names) > 6 else "")
