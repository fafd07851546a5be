"""Limits on the gradient of a step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from cnncli.network import Network
from cnncli.sections import Clip

CHUNK = 16384  # elements behind each partial sum of the kernel


def clipping(clip: Clip | None, network: Network, rates: np.ndarray) -> Callable[[np.ndarray], None]:
    """What clips a gradient of the whole network in place.

    The norm is that of all tensors whose rate is not 0, added up in double precision and in one order; larger ones are
    scaled by ``max / (norm + 1e-6)``.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.
    """
    if clip is None:
        return lambda grad: None
    if clip.value is not None:
        return partial(_cut, clip.value)
    assert clip.norm is not None
    sums = np.zeros(-(-network.segments.size // CHUNK))
    return partial(_scale, clip.norm, network, rates, sums)


def _cut(limit: float, grad: np.ndarray) -> None:
    np.clip(grad, -limit, limit, out=grad)


def _scale(limit: float, network: Network, rates: np.ndarray, sums: np.ndarray, grad: np.ndarray) -> None:
    norm = network.kernels.update.norm(grad, network.segments.ends, rates, sums, network.threads)
    if not norm + 1e-6 <= limit:  # NaN shall not be overlooked
        grad *= limit / (norm + 1e-6)
