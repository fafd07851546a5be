"""What a network that knows clothes is worth for digits: fine-tuning from Fashion-MNIST beside training from scratch.

python docs/experiments/transfer.py data/mnist-5k --from /usr/share/datasets/fashion-mnist
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import common
import numpy as np

from cnncli import checkpoint
from cnncli.model import Model
from cnncli.transfer import Start

CONFIG, LAST = "fashion-small", "linear_1"
FROZEN = {f"model__{kind}_{i}__frozen": True for kind in ("conv2d", "batch_norm2d") for i in (1, 2, 3, 4)}
WAYS: dict[str, tuple[bool, dict[str, Any]]] = {  # whether it starts from the clothes, and what is changed
    "from scratch, rate 0.05": (False, {"optimizer__sgd__lr": 0.05}),
    "from scratch, rate 0.01": (False, {"optimizer__sgd__lr": 0.01}),
    "fine-tuned, rate 0.05": (True, {"optimizer__sgd__lr": 0.05}),
    "fine-tuned, rate 0.01": (True, {"optimizer__sgd__lr": 0.01}),
    "last layer alone, rate 0.05": (True, {"optimizer__sgd__lr": 0.05, **FROZEN}),
}
PER_CLASS = (10, 30)


@contextmanager
def taught(path: str, epochs: int, threads: int | None) -> Iterator[Start]:
    """The network after some epochs of clothes, to start from; digits are other classes, whatever their numbers."""
    experiment, accuracy, _ = common.trained(CONFIG, threads, data__train=path, train__epochs=epochs)
    print(f"{CONFIG} on {path}: {100 * accuracy:.1f} % of the test images")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clothes.npz"
        checkpoint.save(file, experiment.arrays(), experiment.meta())
        yield Start(Model.load(file), fresh=(LAST,))


def main() -> None:
    parser = common.arguments(__doc__, seeds=10)
    parser.add_argument("--from", dest="source", required=True, metavar="DATA", help="the folder of Fashion-MNIST")
    parser.add_argument("--source-epochs", type=int, default=5, metavar="N", help="of the network to start from (5)")
    parser.add_argument("--epochs", type=int, default=30, metavar="N", help="of each subset (30)")
    options = parser.parse_args()
    digits, test = (common.load(options.data, part, (28, 28)) for part in ("train", "test"))
    found: dict[str, dict[int, list[float]]] = {way: {count: [] for count in PER_CLASS} for way in WAYS}
    with taught(options.source, options.source_epochs, options.threads) as start:
        for seed in range(options.seeds):
            for count in PER_CLASS:
                some = common.draw(digits.labels, count, np.random.default_rng([seed, count]))
                arrays = {"train_images": digits.images[some], "train_labels": digits.labels[some]}
                with common.stored(**arrays, test_images=test.images, test_labels=test.labels) as path:
                    for way, (clothes, values) in WAYS.items():
                        given = {"data__train": path, "train__epochs": options.epochs, "train__seed": seed, **values}
                        done = common.trained(CONFIG, options.threads, start if clothes else None, **given)
                        found[way][count].append(done[1])
    rows = {way: [common.percent(accuracies) for accuracies in of_counts.values()] for way, of_counts in found.items()}
    common.show(f"accuracy %, {options.seeds} subsets", [f"{10 * count} digits" for count in PER_CLASS], rows)
    scratch, tuned = (np.array(found[way][30]) for way in ("from scratch, rate 0.05", "fine-tuned, rate 0.05"))
    print(f"fine-tuned - from scratch, the same 300 digits, rate 0.05: {common.percent(list(tuned - scratch))}")


if __name__ == "__main__":
    main()
