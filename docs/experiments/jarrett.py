"""Jarrett's grid: random frozen filters, and what comes between them and a linear classifier.

    python docs/experiments/jarrett.py FASHION_MNIST
    python docs/experiments/jarrett.py FASHION_MNIST --all

configs/jarrett-one-stage.yaml without its gains, on 300 images of each class: filters that are never trained, then a
function, a normalisation, pooling. The rate of the classifier is chosen for each cell by other training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import common
import numpy as np

from cnncli.errors import Diverged

FUNCTIONS: dict[str, list[Any]] = {
    "tanh": ["tanh"],
    "abs of tanh": ["tanh", "abs"],
    "softabs": ["softabs"],
    "relu": ["relu"],
    "softplus": ["softplus"],
}
WINDOW = {"kernel_size": 9, "sigma": 2.0}
NORMS: dict[str, list[Any]] = {
    "none": [],
    "subtractive": [{"subtractive_norm2d": WINDOW}],
    "contrast": [{"contrast_norm2d": WINDOW}],
    "brightness": [{"brightness_norm2d": {"kappa": 1, "lambda": 0.1, "mu": 0.75}}],
}
POOLS: dict[str, Any] = {
    name: {f"{name}_pool2d": {"kernel_size": 6, "stride": 4, "ceil_mode": True}} for name in ("avg", "max")
}
CORE = ("tanh", "abs of tanh"), ("none", "contrast")
RATES = (0.02, 0.2, 2.0)


def model(function: str, norm: str, pool: str, trained: bool) -> list[Any]:
    """The layers of one cell."""
    filters = {"conv2d": {"out_channels": 40, "kernel_size": 9, "init": "glorot"}, "frozen": not trained}
    top = {"linear": {"out_features": 10, "init": "glorot"}}
    return [filters, *FUNCTIONS[function], *NORMS[norm], POOLS[pool], top]


def best_rate(path: str, layers: Sequence[Any], threads: int | None) -> float:
    """The rate whose network names most validation images correctly."""

    def right(rate: float) -> float:
        values = {"model": layers, "optimizer__sgd__lr": rate, "data__train": path}
        try:
            experiment, _, _ = common.trained("jarrett-one-stage", threads, **values)
        except Diverged:
            return 0.0
        return float(experiment.trainer.progress.history[-1]["validation_accuracy"])

    return max(RATES, key=right)


def main() -> None:
    parser = common.arguments(__doc__, seeds=3, data="the folder of Fashion-MNIST, or another set of 28x28 images")
    parser.add_argument("--all", action="store_true", help="all functions and normalisations, not just the core")
    parser.add_argument("--trained", action="store_true", help="train the filters, too")
    parser.add_argument("--per-class", type=int, default=300, metavar="N", help="training images of each class (300)")
    options = parser.parse_args()
    functions, norms = (tuple(FUNCTIONS), tuple(NORMS)) if options.all else CORE
    images, test = (common.load(options.data, part, (28, 28)) for part in ("train", "test"))
    found: dict[tuple[str, str, str], list[float]] = {}
    rates: dict[tuple[str, str, str], float] = {}
    for seed in range(options.seeds):
        chosen = common.draw(images.labels, options.per_class + 100, np.random.default_rng(seed)).reshape(10, -1)
        kept, aside = chosen[:, : options.per_class].ravel(), chosen[:, options.per_class :].ravel()
        arrays = {
            "train_images": images.images[kept], "train_labels": images.labels[kept],
            "validation_images": images.images[aside], "validation_labels": images.labels[aside],
            "test_images": test.images, "test_labels": test.labels,
        }  # fmt: skip
        with common.stored(**arrays) as path:
            for cell in ((f, n, p) for f in functions for n in norms for p in POOLS):
                layers = model(*cell, options.trained)
                if cell not in rates:  # by the first seed, for all
                    rates[cell] = best_rate(path, layers, options.threads)
                values = {"model": layers, "optimizer__sgd__lr": rates[cell], "data__train": path, "train__seed": seed}
                found.setdefault(cell, []).append(common.trained("jarrett-one-stage", options.threads, **values)[1])
    rows = {
        f"{function}, {pool}": [common.percent(found[function, norm, pool]) for norm in norms]
        for function in functions
        for pool in POOLS
    }
    common.show("function, pooling", norms, rows)


if __name__ == "__main__":
    main()
