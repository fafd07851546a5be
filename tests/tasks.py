"""A small classification task and everything to train on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from networks import CLASSES, build, conv, linear

from cnncli import registry
from cnncli.augmentations.base import Augmentation
from cnncli.augmenter import Augmenter
from cnncli.datasets.base import Images
from cnncli.graph import Graph
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing, statistics
from cnncli.schedules.cosine import Cosine
from cnncli.sections import TrainSpec
from cnncli.training import Trainer

SIZE = (8, 8)
MODEL: list[Any] = [
    conv(6, padding=1), "batch_norm2d", "relu", {"max_pool2d": {"kernel_size": 2}}, {"dropout": {"p": 0.2}},
    linear(16), "relu", linear(CLASSES),
]  # fmt: skip


def images(count: int, seed: int = 0) -> Images:
    """Noise with a bright quarter, which is the class."""
    rng = np.random.default_rng(seed)
    pixels, labels = rng.integers(0, 128, (count, *SIZE, 1), np.uint8), rng.integers(0, CLASSES, count, np.int32)
    for image, label in zip(pixels, labels, strict=True):
        row, column = 4 * (label // 2), 4 * (label % 2)
        image[row : row + 4, column : column + 4] += 100
    return Images(pixels, labels, [str(i) for i in range(count)], tuple("abcd"))


def preprocessing(data: Images) -> Preprocessing:
    return Preprocessing(SIZE, 1, *statistics(data.images))


def graph(model: list[Any] = MODEL, loss: str = "softmax_cross_entropy") -> Graph:
    return build(model, (1, *SIZE), loss)


def trainer(
    optimizer: tuple[str, dict[str, Any]] = ("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3}),
    *,
    epochs: int = 2,
    batch_size: int = 50,
    threads: int = 1,
    seed: int = 0,
    count: int = 330,
    validation: bool = True,
    augment: Sequence[Augmentation] = (),
    model: list[Any] = MODEL,
    loss: str = "softmax_cross_entropy",
    **settings: Any,
) -> Trainer:
    """A trainer at the start; `settings` are those of the section ``train``."""
    train, (name, options) = images(count), optimizer
    section = TrainSpec(epochs=epochs, batch_size=batch_size, seed=seed, **settings)
    network = Network(graph(model, loss), batch_size, training=True, threads=threads, seed=seed)
    network.initialize(seed)
    return Trainer(
        network, registry.get("optimizers", name)(**options), Cosine(warmup_epochs=0.5), preprocessing(train), train,
        images(70, seed=1) if validation else None, section,
        Augmenter(augment, train.images, "auto", seed, network.kernels) if augment else None,
    )  # fmt: skip
