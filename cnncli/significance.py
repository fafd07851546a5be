"""Whether one network is better than another on the same images, or just luckier."""

from __future__ import annotations

import math

import numpy as np


def discordant(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """How many images only the first gets right, and how many only the second."""
    return int((first & ~second).sum()), int((second & ~first).sum())


def difference_interval(first: np.ndarray, second: np.ndarray, z: float = 1.959963984540054) -> tuple[float, float]:
    """Interval that holds the second's true accuracy less the first's with 95 % confidence, from the same images.

    Half an image is added to each of the four cells of the table of who is right, which makes the usual interval keep
    its promise also where the networks seldom differ.

    Parameters
    ----------
    first, second : ndarray of bool, shape (images,)
        Which images each gets right.
    z : float
        Quantile of the normal distribution.

    References
    ----------
    Agresti and Min, "Simple improved confidence intervals for comparing matched proportions", Statistics in Medicine 24
    (2005), section 2.
    """
    losses, wins = (count + 0.5 for count in discordant(first, second))
    n = len(first) + 2
    middle = (wins - losses) / n
    half = z * math.sqrt(wins + losses - (wins - losses) ** 2 / n) / n
    return max(-1.0, middle - half), min(1.0, middle + half)


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
    wins, losses = discordant(first, second)
    n, fewer = wins + losses, min(wins, losses)
    ways, choices = 1, 1  # sums of binomial coefficients, in whole numbers of any size
    for k in range(1, fewer + 1):
        choices = choices * (n - k + 1) // k
        ways += choices
    return min(1.0, 2 * ways / 2**n)
