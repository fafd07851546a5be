"""split: shares of each class, disjoint and complete, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.errors import DataError
from cnncli.splits import fold, group_names, group_numbers, split


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


@given(
    labels=st.lists(st.integers(0, 5), min_size=8, max_size=60),
    k=st.integers(2, 8),
    seed=st.integers(0, 2**63 - 1),
)
def test_every_image_is_set_aside_by_one_fold(labels: list[int], k: int, seed: int) -> None:
    array = np.array(labels)
    parts = [fold(array, k, index, seed) for index in range(k)]
    assert sorted(np.concatenate([aside for _, aside in parts])) == list(range(len(labels)))
    for kept, aside in parts:
        assert sorted([*kept, *aside]) == list(range(len(labels)))
        assert len(aside) in (len(labels) // k, -(-len(labels) // k))
        for label in set(labels):
            assert abs((array[aside] == label).sum() - (array == label).sum() / k) < 1


def test_known_fold() -> None:
    assert fold(np.arange(20) % 2, 5, 0, 0)[1].tolist() == [3, 6, 7, 8]


def grouped(seed: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups: groups of 1 to 20 images, mostly of one class."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 21, count)
    groups = np.repeat(np.arange(count), sizes)
    usual = rng.integers(0, 4, count)
    labels = np.where(rng.random(len(groups)) < 0.8, usual[groups], rng.integers(0, 4, len(groups)))
    order = rng.permutation(len(groups))
    return labels[order], groups[order]


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_not_divided(seed: int) -> None:
    labels, groups = grouped(seed)
    kept, aside = split(labels, 0.2, seed, groups)
    assert not set(groups[kept]) & set(groups[aside])
    assert sorted([*kept, *aside]) == list(range(len(labels)))
    shares = np.bincount(labels[aside]) / np.bincount(labels)
    assert np.abs(shares - 0.2).max() < 0.06
    np.testing.assert_array_equal(split(labels, 0.2, seed, groups)[1], aside)
    parts = [fold(labels, 5, index, seed, groups)[1] for index in range(5)]
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    assert all(not set(groups[a]) & set(groups[b]) for a in parts for b in parts if a is not b)
    for part in parts:
        assert np.abs(np.bincount(labels[part]) / np.bincount(labels) - 0.2).max() < 0.1


def test_the_seed_decides_which_groups() -> None:
    labels, groups = np.arange(100) % 2, np.arange(100) // 4
    asides = [frozenset(split(labels, 0.2, seed, groups)[1].tolist()) for seed in range(4)]
    assert len(set(asides)) == 4
    assert {len(aside) for aside in asides} == {20}


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (r"p(\d+)_", [0, 1, 0, 2]),
        ("folder", [0, 0, 1, 1]),
        (r"p\d", [0, 1, 0, 0]),
        (r"(cat|dog)/p(\d+)", [0, 2, 3, 4]),
    ],
)
def test_groups_by_name(rule: str, wanted: list[int]) -> None:
    names = ["a/cat/p1_x.png", "a/cat/p2_y.png", "a/dog/p1_z.png", "a/dog/p10_y.png"]
    found = group_numbers(group_names(names, rule), rule)
    same = found[:, np.newaxis] == found
    expected = np.array(wanted)
    np.testing.assert_array_equal(same, expected[:, np.newaxis] == expected)


def test_groups_that_cannot_be() -> None:
    with pytest.raises(DataError, match=r"^data.group: 'p\(\.\)' does not match 1 of the names, such as q1$"):
        group_names(["p1", "q1", "p2"], "p(.)")
    with pytest.raises(DataError, match=r"^data\.group: 'folder' puts all images into one group"):
        group_numbers(group_names(["a/1", "a/2"], "folder"), "'folder'")
    with pytest.raises(DataError, match="this division of 4 images leaves none for validation"):
        fold(np.zeros(4, int), 5, 4, 0)
