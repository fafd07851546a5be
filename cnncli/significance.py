"""Whether one network is better than another on the same images, or just luckier."""

from __future__ import annotations

import numpy as np


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Exact two-sided test of two networks on the same images.

    Only images that one of them gets right and the other wrong tell anything. Were the networks equally good, each
    would win such an image with probability 1/2: the result is the probability of a division at least as uneven.

    Parameters
    ----------
    first, second : ndarray of bool, shape (images,)
        Which images each gets right.

    Returns
    -------
    float
        In 0..1; 1 where they never differ.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12 (1947).
    """
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    n, fewer = wins + losses, min(wins, losses)
    ways, choices = 1, 1  # sums of binomial coefficients, in whole numbers of any size
    for k in range(1, fewer + 1):
        choices = choices * (n - k + 1) // k
        ways += choices
    return min(1.0, 2 * ways / 2**n)
