"""Lists of mistakes, on scores made by hand."""

from __future__ import annotations

import numpy as np

from cnncli.mistakes import Pair, confused_pairs, suspects, worst

SCORES = np.array(
    [
        [0.9, 0.1, 0.0],  # right
        [0.2, 0.7, 0.1],  # 0 taken for 1
        [0.3, 0.6, 0.1],  # right
        [0.05, 0.05, 0.9],  # 1 taken for 2, surely
        [0.1, 0.1, 0.8],  # right
        [0.4, 0.3, 0.3],  # 2 taken for 0, hardly
    ],
    np.float32,
)
LABELS = np.array([0, 0, 1, 1, 2, 2])


def test_the_surest_mistakes_come_first() -> None:
    assert worst(SCORES, LABELS, 9).tolist() == [3, 1, 5]
    assert worst(SCORES, LABELS, 2).tolist() == [3, 1]
    assert worst(SCORES, LABELS, 0).tolist() == []


def test_labels_to_be_doubted_by_the_rule() -> None:
    """A class counts from the mean of its own images on: 0.55, 0.325 and 0.55 here."""
    assert suspects(SCORES, LABELS, 9).tolist() == [3, 1]  # leads of 0.85 and 0.5; the last is below all means but one
    assert suspects(SCORES, LABELS, 1).tolist() == [3]
    assert suspects(SCORES[:, :2], np.zeros(6, int), 9).tolist() == []  # there is no image of another class


def test_pairs() -> None:
    confusion = np.array([[5, 2, 0], [1, 7, 2], [0, 3, 9]])
    assert confused_pairs(confusion, 3) == [Pair(2, 1, 3), Pair(0, 1, 2), Pair(1, 2, 2)]
    assert confused_pairs(confusion, 99)[-1] == Pair(1, 0, 1)
    assert confused_pairs(np.diag([1, 2]), 5) == []
    assert confusion.trace() == 21
