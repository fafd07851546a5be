"""Limits on the gradient of a step."""

from __future__ import annotations

import numpy as np

from cnncli.network import Network
from cnncli.sections import Clip

CHUNK = 16384  # elements behind each partial sum of the kernel


class Clipping:
    """Cuts each number of a network's gradient to the largest magnitude, then scales all to the largest norm.

    The norm is that of all tensors whose rate is not 0, added up in double precision and in one order; larger ones are
    scaled by ``max / (norm + 1e-6)``.

    Parameters
    ----------
    limits : Clip
    network : Network
    rates : ndarray of float64
        Factor of each tensor on the learning rate.

    References
    ----------
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.
    """

    def __init__(self, limits: Clip, network: Network, rates: np.ndarray) -> None:
        self._limits, self._network, self._rates = limits, network, rates
        self._sums = np.zeros(-(-network.segments.size // CHUNK))

    def apply(self, grad: np.ndarray) -> None:
        """Clip a gradient in place."""
        network, value, largest = self._network, self._limits.value, self._limits.norm
        if value is not None:
            np.clip(grad, -value, value, out=grad)
        if largest is not None:
            norm = network.kernels.update.norm(grad, network.segments.ends, self._rates, self._sums, network.threads)
            if not norm + 1e-6 <= largest:  # NaN shall not be overlooked
                grad *= largest / (norm + 1e-6)
