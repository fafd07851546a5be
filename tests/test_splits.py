"""split: shares of each class, disjoint and complete, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.errors import DataError
from cnncli.splits import split


def test_a_tenth_of_each_class() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 400))
    train, validation = split(labels, 0.1, 0)
    np.testing.assert_array_equal(np.bincount(labels[validation]), [40] * 10)
    np.testing.assert_array_equal(np.bincount(labels[train]), [360] * 10)


@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    fraction=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_image_is_in_one_part_and_every_class_in_training(labels: list[int], fraction: float, seed: int) -> None:
    array = np.array(labels)
    try:
        train, validation = split(array, fraction, seed)
    except DataError:
        # no share reaches one image, or each class has a single one
        assert round(fraction * len(labels)) == 0 or np.bincount(array).max() == 1
        return
    assert sorted([*train, *validation]) == list(range(len(labels)))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    assert set(array[train]) == set(labels)
    assert len(validation) <= round(fraction * len(labels))
    for label in set(labels):
        assert abs((array[validation] == label).sum() - fraction * (array == label).sum()) <= 1 + 1e-9


def test_remainders_make_the_total_exact() -> None:
    labels = np.repeat(np.arange(7), 5)
    _, validation = split(labels, 0.1, 3)
    assert len(validation) == round(3.5)
    assert np.bincount(labels[validation]).max() == 1


def test_seed_decides() -> None:
    labels = np.arange(1000) % 4
    first, again, other = (split(labels, 0.25, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(np.intersect1d(first, other)) < 120


def test_known_values() -> None:
    """A later version must not move images between training and validation."""
    assert split(np.arange(20) % 2, 0.3, 0)[1].tolist() == [2, 6, 7, 11, 16, 19]


def test_nothing_left_for_validation() -> None:
    with pytest.raises(DataError, match=r"a share of 0\.1 of 4 images leaves none for validation"):
        split(np.array([0, 0, 1, 1]), 0.1, 0)
