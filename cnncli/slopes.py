"""Slopes of activations: what they can be, and which units are flat or off."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from functools import cache

import numpy as np

from cnncli.graph import Graph
from cnncli.layers._pointwise import Pointwise
from cnncli.losses.base import Loss
from cnncli.network import Network
from cnncli.probe import Probe
from cnncli.spec import INPUT, Node
from cnncli.workspace import aligned

FLAT = 0.05  # share of its steepest slope below which a unit counts as saturated


@dataclass(frozen=True)
class Profile:
    """What the slope of an activation can be."""

    steepest: float
    flattens: bool  # on both sides
    cuts_off: bool  # the slope is exactly 0 somewhere near the origin


@cache
def profile(layer: Pointwise) -> Profile:
    """Find out about an activation by sending numbers from -20 to 20 through it."""
    grid = np.arange(-2000, 2001) / 100
    graph = Graph([Node("f", layer, (INPUT,))], (1, 1, len(grid)), Loss())
    start = Network(graph, 1, training=False)
    start.initialize(0)
    probe = Probe(graph, start.arrays(), "f")
    probe.forward(grid.reshape(1, 1, 1, -1))
    slope = slopes(probe.network, graph.nodes[0]).ravel()
    steepest = float(slope.max())
    ends = max(slope[0], slope[-1])
    return Profile(steepest, bool(ends < FLAT * steepest), bool((slope[np.abs(grid) <= 5] == 0).sum() > 1))


def profiles(graph: Graph) -> dict[str, Profile]:
    """Those of all activations of a graph, by name."""
    return {node.name: profile(node.layer) for node in graph.nodes if isinstance(node.layer, Pointwise)}


def slopes(network: Network, node: Node) -> np.ndarray:
    """Magnitudes of an activation's derivative at the last forward pass, (images, channels, rows, columns).

    The gradients of the network's parameters do not count any more: a trained sharpness has got another one.
    """
    b = copy(network.buffers(node.name))
    b.dy = aligned(b.y[: b.blocks].shape, network.dtype)
    b.dx = aligned(b.dy.shape, network.dtype)
    b.dy[...] = 1  # so that backward yields the derivative
    node.layer.backward(b)
    return np.abs(np.moveaxis(b.dx, 4, 1).reshape(-1, *b.dx.shape[1:4])[: network.n])


class Units:
    """How the units of an activation stand, gathered over batches.

    Parameters
    ----------
    profile : Profile
        Of the activation.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._squares, self._flat, self._count = 0.0, 0, 0
        self._alive: np.ndarray | None = None

    def add(self, slope: np.ndarray) -> None:
        """Take in the slopes of a batch."""
        alive = (slope != 0).any(axis=(0, 2, 3))
        self._alive = alive if self._alive is None else self._alive | alive
        self._squares += float(np.square(slope, dtype=np.float64).sum())
        self._flat += int((slope < FLAT * self._profile.steepest).sum())
        self._count += slope.size

    @property
    def slope(self) -> float:
        """Root mean square of the slopes."""
        return math.sqrt(self._squares / self._count)

    @property
    def saturated(self) -> float | None:
        """Share of the slopes below a twentieth of the steepest, for activations that flatten on both sides."""
        return self._flat / self._count if self._profile.flattens else None

    @property
    def dead(self) -> float | None:
        """Share of the units (maps) that are off everywhere for all images, for activations that cut off."""
        return 1 - float(self._alive.mean()) if self._profile.cuts_off and self._alive is not None else None
