"""What the order of the pixels is worth: a fully connected and a convolutional network on digits as they are, and with
all pixels moved to other places, the same for every image.

    python docs/experiments/topology.py data/mnist-5k
"""

from __future__ import annotations

import common
import numpy as np

NETS = ("mlp", "lenet5")
RATE = 0.02  # at their own rates the one without its neighbourhoods sometimes fails to start


def main() -> None:
    options = common.arguments(__doc__, seeds=5).parse_args()
    parts = {part: common.load(options.data, part, (28, 28)) for part in ("train", "test")}
    rows = {}
    for title, permuted in (("as they are", False), ("permuted", True)):
        found: dict[str, list[float]] = {net: [] for net in NETS}
        for seed in range(options.seeds):
            order = np.random.default_rng(seed).permutation(28 * 28) if permuted else np.arange(28 * 28)
            arrays = {f"{part}_labels": images.labels for part, images in parts.items()}
            for part, images in parts.items():
                flat = images.images.reshape(len(images), -1)
                arrays[f"{part}_images"] = flat[:, order].reshape(images.images.shape)
            with common.stored(**arrays) as path:
                for net in NETS:
                    values = {"data__train": path, "data__validation": None, "optimizer__sgd__lr": RATE}
                    found[net].append(common.trained(net, options.threads, train__seed=seed, **values)[1])
        rows[title] = [common.percent(found[net]) for net in NETS]
    common.show(f"accuracy %, {options.seeds} seeds", NETS, rows)


if __name__ == "__main__":
    main()
