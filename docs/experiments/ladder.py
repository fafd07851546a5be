"""The sharing ladder: net1 to net5 on small random subsets of the digits, 320 for training and 160 for testing.

    python docs/experiments/ladder.py data/mnist-5k
    python docs/experiments/ladder.py data/mnist-5k --shifted
    python docs/experiments/ladder.py data/mnist-5k --whole --seeds 3

Every seed draws other digits, the same for all five networks. ``--shifted`` draws 80 and 40 digits instead and takes
each in four places, one pixel apart, as LeCun's original data had it; ``--whole`` takes all there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import common
import numpy as np

NETS = ("net1", "net2", "net3", "net4", "net5")
BOOK = (80.0, 87.0, 88.5, 94.0, 98.4)  # Hastie, Tibshirani and Friedman, section 11.7
TRAIN, TEST = 32, 16  # images of each class


def shifted(images: np.ndarray) -> np.ndarray:
    """Every image four times, moved by -1, 0, 1 and 2 columns; the background is 0."""
    wide = np.pad(images, ((0, 0), (0, 0), (2, 2), (0, 0)))
    columns = images.shape[2]
    return np.concatenate([wide[:, :, start : start + columns] for start in (3, 2, 1, 0)])


@contextmanager
def subset(data: str, seed: int, copies: int) -> Iterator[str]:
    """A set of random digits for training and others for testing, each in so many places."""
    digits = common.load(data, "train", (16, 16))
    train, test = TRAIN // copies, TEST // copies
    chosen = common.draw(digits.labels, train + test, np.random.default_rng(seed)).reshape(10, -1)
    arrays = {}
    for part, indices in (("train", chosen[:, :train].ravel()), ("test", chosen[:, train:].ravel())):
        images = digits.images[indices]
        arrays[f"{part}_images"] = images if copies == 1 else shifted(images)
        arrays[f"{part}_labels"] = np.tile(digits.labels[indices], copies)
    with common.stored(**arrays) as path:
        yield path


def main() -> None:
    parser = common.arguments(__doc__, seeds=20)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--shifted", action="store_true", help="a quarter of the digits, each in four places")
    kind.add_argument("--whole", action="store_true", help="all digits, other seeds for the networks only")
    options = parser.parse_args()
    accuracies: dict[str, list[float]] = {net: [] for net in NETS}
    seconds: dict[str, list[float]] = {net: [] for net in NETS}
    whole = str(Path(options.data).absolute())
    for seed in range(options.seeds):
        with nullcontext(whole) if options.whole else subset(whole, seed, 4 if options.shifted else 1) as path:
            for net in NETS:
                _, accuracy, time = common.trained(net, options.threads, data__train=path, train__seed=seed)
                accuracies[net].append(accuracy)
                seconds[net].append(time)
    rows = {}
    for net, book in zip(NETS, BOOK, strict=True):
        ahead = [own - first for own, first in zip(accuracies[net], accuracies["net1"], strict=True)]
        rows[net] = (
            common.percent(accuracies[net]),
            common.percent(ahead),
            f"{book:.1f}",
            f"{np.mean(seconds[net]):.1f}",
        )
    common.show("net", ("accuracy %", "ahead of net1", "book %", "seconds"), rows)


if __name__ == "__main__":
    main()
