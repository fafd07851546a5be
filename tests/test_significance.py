"""McNemar's exact test."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.significance import difference_interval, mcnemar


def hits(wins: int, losses: int, both: int = 3) -> tuple[np.ndarray, np.ndarray]:
    first = np.array([True] * wins + [False] * losses + [True] * both + [False] * both)
    second = np.array([False] * wins + [True] * losses + [True] * both + [False] * both)
    return first, second


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [(0, 0, 1), (1, 0, 1), (5, 5, 1), (5, 0, 2 / 32), (1, 9, 22 / 1024), (2, 10, 2 * (1 + 12 + 66) / 4096)],
)
def test_small_numbers(wins: int, losses: int, p: float) -> None:
    assert mcnemar(*hits(wins, losses)) == pytest.approx(p, rel=1e-15)


@given(st.integers(0, 60), st.integers(0, 60))
def test_against_the_sum(wins: int, losses: int) -> None:
    n = wins + losses
    tail = sum(comb(n, k) for k in range(min(wins, losses) + 1))
    assert mcnemar(*hits(wins, losses)) == min(1, 2 * tail / 2**n) == mcnemar(*hits(losses, wins))


def test_large_numbers_neither_overflow_nor_lose_themselves() -> None:
    assert mcnemar(*hits(5000, 5000)) == 1
    assert 0 <= mcnemar(*hits(10000, 0)) < 1e-300
    assert mcnemar(*hits(5100, 4900)) == pytest.approx(0.0466, abs=1e-3)


def test_the_interval_of_a_difference() -> None:
    """Table I of Agresti and Min's paper by its formula, and what must hold of every table."""
    first, second = hits(10, 30, both=30)  # 100 images
    low, high = difference_interval(first, second)
    wins, losses, n = 30.5, 10.5, 102
    half = 1.959963984540054 * np.sqrt(wins / n + losses / n - ((wins - losses) / n) ** 2) / np.sqrt(n)
    assert (low, high) == pytest.approx(((wins - losses) / n - half, (wins - losses) / n + half), rel=1e-12)
    assert difference_interval(second, first) == pytest.approx((-high, -low), rel=1e-12)
    low, high = difference_interval(*hits(0, 0))
    assert low == -high < 0
    assert difference_interval(*hits(0, 3, both=0))[1] <= 1


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_it_holds_the_truth_in_nineteen_of_twenty(share: float) -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        draw = rng.random(200)
        first, second = draw < share, draw > 1 - 2 * share  # one is alone right on share, the other on 2 share
        low, high = difference_interval(first, second)
        held += low <= share <= high
    assert 930 <= held <= 990
