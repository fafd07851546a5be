"""Exclusive or, four images of two pixels: one layer gets three of them right at best, two layers all.

python docs/experiments/xor.py
"""

from __future__ import annotations

from typing import Any

import common
import numpy as np

NETWORKS: dict[str, list[Any]] = {
    "one layer": [{"linear": {"out_features": 2}}],
    "two layers": [{"linear": {"out_features": 4, "init": "glorot"}}, "tanh", {"linear": {"out_features": 2}}],
}
PIXELS = np.array([[0, 0], [0, 255], [255, 0], [255, 255]], np.uint8).reshape(4, 1, 2)
LABELS = np.array([0, 1, 1, 0])


def main() -> None:
    arrays = {"train_images": PIXELS, "train_labels": LABELS, "test_images": PIXELS, "test_labels": LABELS}
    with common.stored(**arrays) as path:
        for title, model in NETWORKS.items():
            found = []
            for seed in range(10):
                values = {"data__train": path, "data__image": {"size": [1, 2], "channels": 1}, "data__classes": 2}
                values |= {"model": model, "train__epochs": 500, "train__batch_size": 4, "train__seed": seed}
                values |= {"data__validation": None, "optimizer": {"sgd": {"lr": 0.3, "momentum": 0.9}}}
                found.append(common.trained("mlp", 1, **values)[1])
            print(f"{title}: {' '.join(f'{100 * accuracy:.0f}' for accuracy in found)} % right with seeds 0 to 9")


if __name__ == "__main__":
    main()
