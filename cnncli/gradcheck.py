"""Analytic against numeric gradients, in float64.

For each tensor t the measure is max |analytic - numeric| / max |analytic|, the numeric gradient being a central
difference. An element is left out, and counted, where the two sides of the difference decide something differently
(the sign in a
rectifier, the place of a maximum): there the function has a kink and no gradient to compare with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnncli import random, registry
from cnncli.fields import Problem, from_mapping
from cnncli.graph import Graph
from cnncli.layers.base import Example, Layer, Shape
from cnncli.losses.base import Loss, LossBuffers
from cnncli.network import Network
from cnncli.spec import INPUT, Node

TOLERANCE = 1e-6
STEP = 1e-5  # of the differences; elements are of order 1
FLOOR = 1e-4  # a tensor whose gradients are all smaller is measured against this: differences resolve about 1e-11
SAMPLES = 64  # elements of a tensor that are checked if it has more
BATCH = 5


@dataclass(frozen=True)
class TensorReport:
    """The comparison for one tensor.

    Attributes
    ----------
    layer, tensor : str
        ``input`` is the layer's (or network's) input.
    error : float
        The measure of the module's docstring.
    elements, checked, kinks : int
        Of the tensor; compared; left out.
    """

    layer: str
    tensor: str
    error: float
    elements: int
    checked: int
    kinks: int

    @property
    def ok(self) -> bool:
        return self.error < TOLERANCE


@dataclass(frozen=True, kw_only=True)
class _Projection(Loss):
    """Stands for a loss when a layer alone is checked: sum over outputs of y r with fixed random r."""

    def forward(self, b: LossBuffers) -> None:
        y = np.moveaxis(b.x, 4, 1)[: b.blocks].reshape(b.blocks * b.x.shape[4], -1)
        b.losses[: len(y)] = y @ self._directions(y.shape[1])
        b.losses[b.n :] = 0

    def backward(self, b: LossBuffers) -> None:
        directions = self._directions(int(np.prod(b.x.shape[1:4]))).reshape(*b.x.shape[1:4], 1)
        valid = np.arange(b.x.shape[0] * b.x.shape[4]).reshape(b.x.shape[0], 1, 1, 1, -1) < b.n
        b.dx[...] = directions * valid / b.n

    def _directions(self, count: int) -> np.ndarray:
        return random.normal(0, random.stream("projection"), count)


def check_graph(graph: Graph, seed: int = 0, samples: int = SAMPLES) -> Iterator[TensorReport]:
    """Check every parameter of a graph and its input, on random images.

    Parameters
    ----------
    graph : Graph
    seed : int
    samples : int
        Elements checked of a tensor that has more.
    """
    network = Network(graph, BATCH, training=True, dtype="float64", seed=seed, input_gradient=True)
    network.initialize(seed)
    for name, array in network.param.items():  # away from zeros and ones, where mistakes hide
        array += 0.1 * random.normal(seed + 1, random.stream(name), array.size).reshape(array.shape)
    features = int(np.prod(graph.in_shape))
    images = random.normal(seed, random.stream("images"), BATCH * features).reshape(BATCH, *graph.in_shape)
    network.x[...] = 0
    network.x[0, ..., :BATCH] = np.moveaxis(images, 0, -1)
    network.set_targets(np.arange(BATCH, dtype=np.int32) % network.loss.x.shape[1])
    state = {name: array.copy() for name, array in network.state.items()}

    def objective() -> tuple[float, list[tuple[str, np.ndarray]]]:
        for name, array in state.items():
            network.state[name][...] = array
        network.forward(training=True)
        return network.mean_loss() * BATCH * graph.loss.weight(BATCH), network.choices()

    network.grad[...] = np.nan  # every gradient must be written
    objective()
    network.backward()
    analytic = {name: array.copy() for name, array in network.param_grad.items()}
    tensors: dict[str, tuple[np.ndarray, np.ndarray]] = {
        f"{INPUT}.{INPUT}": (network.x[0, ..., :BATCH], network.dx[0, ..., :BATCH].copy())  # type: ignore[index]
    } | {name: (network.param[name], analytic[name]) for name in analytic}
    for name, (values, gradient) in tensors.items():
        layer, _, tensor = name.rpartition(".")
        yield _check_tensor(layer, tensor, values, gradient, objective, seed, samples)


def _check_tensor(
    layer: str, tensor: str, values: np.ndarray, gradient: np.ndarray, objective: Any, seed: int, samples: int
) -> TensorReport:
    chosen = random.permutation(seed, random.stream(f"{layer}.{tensor}"), 0, values.size)[:samples]
    scale = max(float(np.abs(gradient).max(initial=0.0)), FLOOR)
    worst, kinks = 0.0, 0
    for flat in chosen:
        place = np.unravel_index(int(flat), values.shape)
        before = values[place]
        values[place] = before + STEP
        above, choices_above = objective()
        values[place] = before - STEP
        below, choices_below = objective()
        values[place] = before
        if any(not np.array_equal(a, b) for (_, a), (_, b) in zip(choices_above, choices_below, strict=True)):
            kinks += 1
            continue
        difference = abs((above - below) / (2 * STEP) - gradient[place])
        worst = max(worst, difference / scale) if np.isfinite(difference) else np.inf
    return TensorReport(layer, tensor, float(worst), values.size, len(chosen) - kinks, kinks)


def check_layer(name: str, layer: Layer, in_shapes: Sequence[Shape], seed: int = 0) -> Iterator[TensorReport]:
    """Check one layer alone: its parameters and its input.

    A layer of several inputs gets each from a 1x1 convolution of the network's input, one number a map from its mean.
    """
    nodes: list[Node] = []
    inputs: tuple[str, ...] = (INPUT,)
    in_shape = max(in_shapes, key=lambda shape: shape[1] * shape[2])
    if type(layer).several_inputs:
        inputs, in_shape = (), (2, *in_shape[1:])
        for i, shape in enumerate(in_shapes, start=1):
            make = registry.get("layers", "conv2d")
            nodes.append(Node(f"input_{i}", make(out_channels=shape[0], kernel_size=(1, 1)), (INPUT,)))
            if shape[1:] != in_shape[1:]:
                nodes.append(Node(f"mean_{i}", registry.get("layers", "global_avg_pool2d")(), (f"input_{i}",)))
            inputs = (*inputs, nodes[-1].name)
    graph = Graph([*nodes, Node(name, layer, inputs)], in_shape, _Projection())
    for report in check_graph(graph, seed):
        yield TensorReport(
            name, report.tensor if report.layer in (name, INPUT) else f"{report.layer}.{report.tensor}",
            report.error, report.elements, report.checked, report.kinks,
        )  # fmt: skip


def check_loss(name: str, loss: Loss, seed: int = 0) -> Iterator[TensorReport]:
    """Check a loss at the end of one fully connected layer; one of probabilities gets numbers between 0 and 1."""
    nodes = [Node("linear", registry.get("layers", "linear")(out_features=4), (INPUT,))]
    if loss.of_probabilities:
        nodes.append(Node("sigmoid", registry.get("layers", "sigmoid")(), ("linear",)))
    graph = Graph(nodes, (6, 1, 1), loss)
    for report in check_graph(graph, seed):
        yield TensorReport(
            name, f"{report.layer}.{report.tensor}", report.error, report.elements, report.checked, report.kinks
        )


def check_everything(seed: int = 0) -> Iterator[TensorReport]:
    """Check every layer there is, in each of its examples, and every loss."""
    for name in registry.names("layers"):
        for example in registry.get("layers", name).examples:  # type: ignore[attr-defined]
            yield from check_layer(name, build(name, example), example.in_shapes, seed)
    for name in registry.names("losses"):
        yield from check_loss(name, registry.get("losses", name)(), seed)


def build(name: str, example: Example) -> Layer:
    """The layer of an example, from its options as a config would give them."""
    problems: list[Problem] = []
    layer: Layer | None = from_mapping(registry.get("layers", name), dict(example.options), (name,), problems)
    if layer is None:
        raise ValueError("; ".join(problem.message for problem in problems))
    return layer
