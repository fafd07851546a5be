"""What the experiments share: drawing subsets, training, and means with their intervals."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from cnncli import runtime, spec
from cnncli.datasets.base import Images, open_data
from cnncli.evaluation import evaluate
from cnncli.experiment import Experiment
from cnncli.transfer import Start

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"

# Student's t for 95 % (two-sided) and 1, 2, ... degrees of freedom; the last one serves for all more
STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip


def arguments(doc: str, seeds: int, data: str = "a data set such as data/mnist-5k") -> argparse.ArgumentParser:
    """The options that every experiment has."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("data", help=data)
    parser.add_argument("--seeds", type=int, default=seeds, metavar="N", help=f"how many runs of each ({seeds})")
    parser.add_argument("--threads", type=int, metavar="N")
    return parser


def load(path: str, part: str, size: tuple[int, int]) -> Images:
    """One part of a data set, grey and of one size."""
    return open_data(path).part(part).load(size, 1)


def draw(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of so many random images of each class, all different."""
    chosen = [rng.choice(np.flatnonzero(labels == k), per_class, replace=False) for k in np.unique(labels)]
    return np.concatenate(chosen)


@contextmanager
def stored(**arrays: np.ndarray) -> Iterator[str]:
    """A temporary .npz file that ``data.train`` can name; keys are train_images, train_labels, test_images, ..."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/data.npz"
        np.savez(path, **arrays)  # type: ignore[arg-type]
        yield path


def trained(
    config: str, threads: int | None, start: Start | None = None, **values: Any
) -> tuple[Experiment, float, float]:
    """Train one of the configs, changed as ``KEY=VALUE`` changes it, and test the network of the last epoch.

    With `start` it begins with the weights of another network.

    Returns
    -------
    Experiment
    accuracy : float
        On the test part.
    seconds : float
        Of processor time for training.
    """
    overrides = [f"{key.replace('__', '.')}={json.dumps(value)}" for key, value in values.items()]
    loaded = spec.load(str(CONFIGS / f"{config}.yaml"), overrides)
    experiment = Experiment(loaded, runtime.threads(threads), start=start)
    began = time.process_time()
    for _ in experiment.trainer.fit():
        pass
    seconds = time.process_time() - began
    test = experiment.parts.load_test()
    assert test is not None
    found = evaluate(experiment.network, experiment.preprocessing, test.images, test.labels)
    return experiment, found.accuracy, seconds


def percent(shares: Sequence[float]) -> str:
    """Mean of shares in percent, with half of its 95 % interval (Student's t) where there are several."""
    n, text = len(shares), f"{100 * np.mean(shares):.1f}"
    if n == 1:
        return text
    student = STUDENT[min(n - 2, len(STUDENT) - 1)]
    return f"{text} ± {100 * student * np.std(shares, ddof=1) / n**0.5:.1f}"


def show(title: str, header: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    """Print a table, the first column aligned to the left, and the time that all took."""
    lines = [(title, *header), *((name, *cells) for name, cells in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *rest in lines:
        print("  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]))
    print(f"{time.process_time():,.0f} s of processor time")
