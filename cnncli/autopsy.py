"""Why training ended in numbers that are none: the layer where they appear first, and the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.network import Network

LISTED = 5  # images that are named


@dataclass(frozen=True)
class Cause:
    """Where numbers are not finite first.

    Attributes
    ----------
    where : str
        ``the images``, ``the output of LAYER``, ``the loss``, or ``the gradient of TENSOR``.
    places : ndarray of int
        Which images of the batch; none for a gradient, which is that of all.
    """

    where: str
    places: np.ndarray

    def text(self, names: Sequence[str]) -> str:
        """In words; `names` are those of the batch."""
        if not len(self.places):
            return f"{self.where} is the first that is no number any more"
        images = f"all {len(names)} images of the batch"
        if len(self.places) < len(names):
            listed = ", ".join(names[place] for place in self.places[:LISTED])
            more = ", ..." if len(self.places) > LISTED else ""
            images = f"{len(self.places)} of {len(names)} images: {listed}{more}"
        return f"{self.where} is the first that is no number any more, for {images}"


def of_outputs(network: Network) -> Cause:
    """Look through the last forward pass, in which the loss became no number, in all processes that share the batch."""
    shard = network.shard
    depth, places = _first_broken(network)
    found = shard.group.all((depth, places + shard.rows(shard.images).start))
    first = min(depth for depth, _ in found)
    names = ["the images", *(f"the output of {node.name}" for node in network.graph.nodes), "the loss"]
    return Cause(names[first], np.concatenate([places for depth, places in found if depth == first]))


def _first_broken(network: Network) -> tuple[int, np.ndarray]:
    """0 for the input, 1 for the first node, ..., and which images here are broken there."""
    maps = [network.x, *(network.buffers(node.name).y for node in network.graph.nodes)]
    for depth, values in enumerate(maps):
        if len(places := _broken(values, network.n)):
            return depth, places
    return len(maps), np.flatnonzero(~np.isfinite(network.loss.losses[: network.n]))


def of_gradients(network: Network, gradient: np.ndarray) -> Cause:
    """Look through a gradient that is no number, from the output back."""
    views = network.segments.views(gradient)
    for name in reversed(views):
        if not np.isfinite(views[name]).all():
            return Cause(f"the gradient of {name}", np.empty(0, np.int64))
    return Cause("the gradient", np.empty(0, np.int64))


def _broken(maps: np.ndarray, n: int) -> np.ndarray:
    """Which of the valid images hold numbers that are not finite."""
    images = np.moveaxis(maps, 4, 1).reshape(-1, *maps.shape[1:4])[:n]
    return np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
