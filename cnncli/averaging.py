"""A moving average of a network's weights, which is what is evaluated and used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from cnncli.network import Network
from cnncli.workspace import aligned


class MovingAverage:
    """mean += (1 - decay) * (weights - mean) after every step, also for what is stored but not trained.

    In its first steps it forgets faster, so that the start does not stay in it: step t (from 1) keeps
    ``min(decay, (1 + t) / (10 + t))``.

    Parameters
    ----------
    network : Network
    decay : float

    References
    ----------
    Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the first steps as in
    TensorFlow's ``ExponentialMovingAverage`` with ``num_updates``.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self._network, self._decay = network, decay
        self._theta = aligned(network.theta.shape, network.dtype)
        self._state = {name: array.copy() for name, array in network.state.items()}
        self._values = network.segments.views(self._theta) | self._state

    def start(self) -> None:
        """Begin with the network's weights."""
        self._theta[...] = self._network.theta
        for name, array in self._state.items():
            array[...] = self._network.state[name]

    def update(self, t: int) -> None:
        """Take in the weights after step `t`, from 1."""
        network, share = self._network, 1 - min(self._decay, (1 + t) / (10 + t))
        network.kernels.update.average(network.theta, self._theta, share, network.threads)
        for name, array in self._state.items():
            array += share * (network.state[name] - array)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The network works with the average; afterwards it has its own weights again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        pairs = [(self._network.theta, self._theta)]
        pairs += [(self._network.state[name], array) for name, array in self._state.items()]
        for own, average in pairs:
            own[...], average[...] = average.copy(), own.copy()

    def arrays(self) -> dict[str, np.ndarray]:
        """The averages by name, in the shapes of files."""
        params = self._network.graph.params
        return {name: params[name].dense(a) if name in params else a for name, a in self._values.items()}

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy the averages in."""
        params = self._network.graph.params
        for name, array in self._values.items():
            array[...] = params[name].ragged(arrays[name]) if name in params else arrays[name]
