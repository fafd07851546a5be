"""The data that come with the repository are what their README says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from cnncli.datasets._images import decode_image
from cnncli.datasets.base import open_data

DATA = Path(__file__).parents[2] / "data"


def test_mnist_5k() -> None:
    source = open_data(DATA / "mnist-5k")
    for name, count in (("train", 400), ("test", 100)):
        part = source.part(name)
        assert part.shape == (1, 28, 28)
        np.testing.assert_array_equal(np.bincount(part.labels), [count] * 10)
        assert part.load().images.shape == (10 * count, 28, 28, 1)
        # shuffled: no run of one class
        assert np.abs(np.diff(part.labels)).mean() > 2


def test_checksums_of_the_readme() -> None:
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    for path in sorted((DATA / "mnist-5k").glob("*.gz")):
        assert f"| `{path.name}` | `{hashlib.sha256(path.read_bytes()).hexdigest()}` |" in readme


def test_samples_are_test_images_of_the_named_label() -> None:
    test = open_data(DATA / "mnist-5k").part("test").load()
    samples = sorted((DATA / "samples").glob("*.png"))
    assert len(samples) == 12
    assert {path.name[0] for path in samples} == set("0123456789")
    for path in samples:
        found = np.flatnonzero((test.images == decode_image(path)).all(axis=(1, 2, 3)))
        assert test.labels[found].tolist() == [int(path.name[0])]
