"""Random numbers that are functions of a key and a counter: nothing to store, nothing to order.

Philox2x32 with ten rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The
kernels use the same function (``_fast/philox.h``), so a number depends on (seed, stream, counter) alone, never on
numpy's version, the order of calls or the number of threads.
"""

from __future__ import annotations

import zlib

import numpy as np

_MULTIPLIER = np.uint64(0xD256D193)
_KEY_STEP = 0x9E3779B9
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

SHUFFLE, SPLIT = 1, 2  # streams of the run itself; layers and tensors have one by their name


def key(seed: int, stream: int) -> int:
    """Mix a seed and a stream number into a 32-bit key (the finaliser of splitmix64)."""
    z = (seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03 + 1) & (2**64 - 1)
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return (z ^ (z >> 31)) & 0xFFFFFFFF


def stream(name: str) -> int:
    """The stream of a layer or tensor: it depends on the name only, not on what else is in the network."""
    return (1 << 32) | zlib.crc32(name.encode())


def bits(seed: int, stream: int, counters: np.ndarray) -> np.ndarray:
    """64 random bits for each 64-bit counter.

    Parameters
    ----------
    seed, stream : int
    counters : ndarray of uint64

    Returns
    -------
    ndarray of uint64, shaped like `counters`
    """
    counters = np.asarray(counters, dtype=np.uint64)
    low, high = counters & _LOW, counters >> _HALF
    round_key = key(seed, stream)
    for _ in range(10):
        product = low * _MULTIPLIER
        low, high = (product >> _HALF) ^ np.uint64(round_key) ^ high, product & _LOW
        round_key = (round_key + _KEY_STEP) & 0xFFFFFFFF
    return (high << _HALF) | low


def fractions(drawn: np.ndarray) -> np.ndarray:
    """64 random bits as numbers in (0, 1): 53 bits each, halves of the last bit added so that 0 never occurs."""
    return ((drawn >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def uniform(seed: int, stream: int, count: int) -> np.ndarray:
    """`count` numbers in (0, 1)."""
    return fractions(bits(seed, stream, np.arange(count, dtype=np.uint64)))


def normal(seed: int, stream: int, count: int) -> np.ndarray:
    """`count` numbers of the standard normal distribution (Box and Muller's transform)."""
    u = uniform(seed, stream, 2 * count)
    return np.sqrt(-2.0 * np.log(u[:count])) * np.cos(2.0 * np.pi * u[count:])


def per_image(seed: int, stream: int, epoch: int, images: np.ndarray) -> np.ndarray:
    """64 random bits for each of some images, given by their numbers, in one epoch."""
    return bits(seed, stream, images.astype(np.uint64) | (np.uint64(epoch) << _HALF))


def permutation(seed: int, stream: int, epoch: int, count: int) -> np.ndarray:
    """A permutation of 0 .. count-1 for one epoch: the order of random sort keys."""
    return np.argsort(per_image(seed, stream, epoch, np.arange(count)), kind="stable")
