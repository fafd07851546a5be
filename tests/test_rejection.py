"""The smallest rejection that leaves few errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.rejection import Rejection, reject


def scores(gaps: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Three classes; class 1 always wins, by these gaps."""
    rows = np.array([[0.0, 0.0, -9.0]] * len(gaps))
    rows[:, 1] = gaps
    return rows, np.where(right, 1, 0)


def test_errors_go_first_if_their_gaps_are_small() -> None:
    found = reject(*scores([0.9, 0.5, 0.1, 0.7], [True, True, False, True]))
    assert found == Rejection(0.25, 0.5, 3, 0)


def test_an_error_may_stay_among_many() -> None:
    gaps, right = list(np.linspace(1, 0.5, 100)), [True] * 100
    right[10] = False
    assert reject(*scores(gaps, right)) == Rejection(0.0, 0.5, 100, 1)
    right[20] = False
    assert reject(*scores(gaps, right)) == Rejection(0.9, pytest.approx(gaps[9]), 10, 0)
    assert reject(*scores(gaps, right), limit=0.02).share == 0


def test_a_larger_set_may_do_where_a_smaller_one_does_not() -> None:
    right = [True] * 200
    right[0] = False
    found = reject(*scores(list(np.linspace(1, 0.5, 200)), right))
    assert (found.share, found.kept, found.errors) == (0, 200, 1)


def test_equal_gaps_stay_together() -> None:
    assert reject(*scores([0.5, 0.5, 0.2], [True, False, True])) == Rejection(1.0, float("inf"), 0, 0)
    assert reject(*scores([0.5, 0.2, 0.2], [True, True, False])).kept == 1


def test_all_right_all_wrong_and_none() -> None:
    assert reject(*scores([0.1, 0.2], [True, True])) == Rejection(0, 0.1, 2, 0)
    assert reject(*scores([0.1, 0.2], [False, False])).share == 1
    assert reject(np.zeros((0, 3)), np.zeros(0, int)).share == 0


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=30), st.sampled_from([0.0, 0.1, 0.3]))
def test_against_all_thresholds(images: list[tuple[int, bool]], limit: float) -> None:
    gaps, right = zip(*images, strict=True)
    best = 0
    for threshold in range(7):
        kept = [ok for gap, ok in images if gap >= threshold]
        if kept and kept.count(False) <= limit * len(kept):
            best = max(best, len(kept))
    found = reject(*scores([float(gap) for gap in gaps], list(right)), limit)
    assert found.kept == best
    assert found.share == 1 - best / len(images)
    assert found.errors == sum(not ok for gap, ok in images if gap >= found.gap)
