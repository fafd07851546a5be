"""The learning health of layers: how far steps move their weights, which of their units are off or flat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from cnncli.datasets.base import Images
from cnncli.layers._copy import Copy
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.registry import name_of
from cnncli.slopes import Units, profiles, slopes

LOOKED_AT = 256  # images, at least where there are as many
BATCHES = 32  # but no more than these, so that a look stays cheap where a batch is one image
DIGITS = 4  # of the numbers for the logs

Pace = dict[str, tuple[float, float]]  # of a step, by layer: norm of the gradient, norm of the change over the weights'


@dataclass(frozen=True)
class LayerState:
    """How one layer stands; None where it does not apply.

    Attributes
    ----------
    name, type : str
    weight : float
        Mean magnitude of its weights.
    weight_gradient : float
        Norm of their gradient; of several batches, root mean square.
    update : float
        Norm of the last step's change over the norm of the weights.
    output_gradient : float
        Norm of the gradient of an image's loss with respect to the layer's output, root mean square over images; of a
        layer that another one works in place of, that layer's input.
    slope : float
        Of an activation: root mean square of its derivative.
    saturated : float
        Share of units whose slope is below a twentieth of the steepest, for activations that flatten on both sides.
    dead : float
        Share of units (maps) whose slope is 0 everywhere for all images, for activations that cut off.
    """

    name: str
    type: str
    weight: float | None = None
    weight_gradient: float | None = None
    update: float | None = None
    output_gradient: float | None = None
    slope: float | None = None
    saturated: float | None = None
    dead: float | None = None


@dataclass(frozen=True)
class Health:
    """How a network's layers stand at the end of an epoch.

    Attributes
    ----------
    images : int
        Looked at for the units.
    layers : list of LayerState
        `weight_gradient` and `update` are those of the last step; slopes those of the network in use.
    """

    images: int
    layers: list[LayerState]

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The numbers for logs, by layer; layers without any are left out."""
        rows = {
            layer.name: {
                key: float(f"{value:.{DIGITS}g}")
                for key, value in (
                    ("gradient", layer.weight_gradient),
                    ("update", layer.update),
                    ("saturated", layer.saturated),
                    ("dead", layer.dead),
                )
                if value is not None
            }
            for layer in self.layers
        }
        return {name: row for name, row in rows.items() if row}


def weights(network: Network, vector: np.ndarray) -> dict[str, np.ndarray]:
    """The parts of a vector of all parameters, or of one like it, that are tensors called weight, by layer."""
    views = network.segments.views(vector)
    return {name.rpartition(".")[0]: view for name, view in views.items() if name.endswith(".weight")}


def norm(array: np.ndarray) -> float:
    """Euclidean, in float64; without a library whose threads could change its bits."""
    return math.sqrt(float(np.square(array, dtype=np.float64).sum()))


def pace(network: Network, before: np.ndarray, gradient: np.ndarray) -> Pace:
    """How strong a step's gradient was and how far it went, by layer.

    Parameters
    ----------
    network : Network
        After the step.
    before, gradient : ndarray
        All parameters before it, and the gradient that it followed.
    """
    old, slope = weights(network, before), weights(network, gradient)
    return {
        name: (norm(slope[name]), norm(new - old[name]) / (norm(old[name]) or 1.0))
        for name, new in weights(network, network.theta).items()
    }


def look(
    network: Network, preprocessing: Preprocessing, train: Images, last_step: Mapping[str, tuple[float, float]]
) -> Health:
    """Send some training images through the network as in use, and see how its units stand.

    Parameters
    ----------
    network : Network
        For training; its parameters and state stay as they are.
    preprocessing : Preprocessing
    train : Images
    last_step : mapping
        What `pace` said of it.
    """
    graph = network.graph
    units = {name: Units(seen) for name, seen in profiles(graph).items()}
    indices = spread(len(train), min(len(train), LOOKED_AT, BATCHES * network.batch_size))
    for first in range(0, len(indices), network.batch_size):
        batch = indices[first : first + network.batch_size]
        preprocessing.fill(network, train.images, batch)
        network.set_batch(len(batch))
        network.forward()
        for node in graph.nodes:
            if node.name in units:
                units[node.name].add(slopes(network, node))
    gradients = {name: gradient for name, (gradient, _) in last_step.items()}
    updates = {name: update for name, (_, update) in last_step.items()}
    return Health(len(indices), states(network, units, gradients, updates))


def states(
    network: Network,
    units: Mapping[str, Units],
    gradients: Mapping[str, float],
    updates: Mapping[str, float],
    output_gradients: Mapping[str, float] = MappingProxyType({}),
) -> list[LayerState]:
    """Put together what is known of each layer."""
    own = weights(network, network.theta)
    return [
        LayerState(
            name,
            name_of(node.layer),
            weight=float(np.abs(own[name]).mean()) if name in own else None,
            weight_gradient=gradients.get(name),
            update=updates.get(name),
            output_gradient=output_gradients.get(name),
            slope=units[name].slope if name in units else None,
            saturated=units[name].saturated if name in units else None,
            dead=units[name].dead if name in units else None,
        )
        for name, node in ((node.name, node) for node in network.graph.nodes)
        if not isinstance(node.layer, Copy)
    ]


def spread(images: int, count: int) -> np.ndarray:
    """Numbers of so many images, evenly spread, as data may be sorted by class."""
    return np.linspace(0, images - 1, count).astype(np.int64)
