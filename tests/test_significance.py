"""McNemar's exact test."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnncli.significance import mcnemar


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
