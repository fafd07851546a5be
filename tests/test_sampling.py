"""The order of an epoch's images, and what classes weigh."""

from __future__ import annotations

import numpy as np
import pytest

from cnncli import random
from cnncli.errors import SpecError
from cnncli.sampling import Sampler, class_weights
from cnncli.sections import ClassWeights

LABELS = np.repeat([0, 1, 3], [70, 25, 5])[np.random.default_rng(0).permutation(100)]


def test_all_images_once_in_the_order_of_every_version() -> None:
    order = Sampler(LABELS, 3).order(2)
    np.testing.assert_array_equal(order, random.permutation(3, random.SHUFFLE, 2, 100))


@pytest.mark.parametrize("epoch", range(4))
def test_balanced(epoch: int) -> None:
    """As many images as there are, a third of each class; the images of a class equally often but for one."""
    order = Sampler(LABELS, 0, "balanced").order(epoch)
    assert len(order) == len(np.unique(order)) == 100  # copies are told apart
    counts = np.bincount(LABELS[order % 100], minlength=4)
    assert sorted(counts.tolist()) == [0, 33, 33, 34]
    often = np.bincount(order % 100, minlength=100)
    for label in (0, 1, 3):
        assert np.ptp(often[label == LABELS]) <= 1
    assert order.max() // 100 == 6  # 33 or 34 of 5 images
    assert np.count_nonzero(np.diff(LABELS[order % 100])) > 40  # shuffled


def test_balanced_is_a_function_of_seed_and_epoch() -> None:
    orders = [Sampler(LABELS, seed, "balanced").order(epoch) for seed, epoch in ((0, 1), (0, 1), (0, 2), (1, 1))]
    np.testing.assert_array_equal(orders[0], orders[1])
    large = [set(order[LABELS[order % 100] == 0].tolist()) for order in orders]
    assert large[0] != large[2]  # another part of the large class in each epoch
    assert large[0] != large[3]
    extra = [np.bincount(LABELS[Sampler(LABELS, 0, "balanced").order(epoch) % 100]).argmax() for epoch in range(3)]
    assert sorted(extra) == [0, 1, 3]  # the remainder goes round


def test_balanced_weights_give_every_class_the_same_sum() -> None:
    weights = class_weights(ClassWeights(None), "abcd", LABELS)
    np.testing.assert_allclose(weights[[0, 1, 3]], [100 / (3 * count) for count in (70, 25, 5)])
    assert weights[LABELS].mean() == pytest.approx(1)


def test_given_weights() -> None:
    found = class_weights(ClassWeights({"b": 2.0, "d": 0.5}), "abcd", LABELS)
    np.testing.assert_array_equal(found, [1, 2, 1, 0.5])
    with pytest.raises(SpecError, match=r"train.class_weights: no class is called 'cta'; did you mean 'cat'\?"):
        class_weights(ClassWeights({"cta": 2.0}), ["cat", "dog"], LABELS)
