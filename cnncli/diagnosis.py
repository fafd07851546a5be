"""Whether a network can learn: how gradients pass through its layers, at the start and after some steps of training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from cnncli import random
from cnncli.datasets.base import Images
from cnncli.errors import Diverged, SpecError
from cnncli.experiment import Experiment
from cnncli.graph import Graph
from cnncli.layers._copy import Copy
from cnncli.layers._pointwise import Pointwise
from cnncli.losses.base import Loss
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.probe import Probe
from cnncli.registry import name_of
from cnncli.spec import INPUT, Node, RunSpec, trace
from cnncli.training import StepReport, Trainer

LOOKED_AT = 256  # images, at least where there are as many
FLAT = 0.05  # share of its steepest slope below which a unit counts as saturated


@dataclass(frozen=True)
class LayerState:
    """How one layer stands; None where it does not apply.

    Attributes
    ----------
    name, type : str
    weight : float
        Mean magnitude of its weights.
    weight_gradient : float
        Norm of their gradient, root mean square over batches.
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
class Snapshot:
    """How a network stands after a number of steps."""

    step: int
    loss: float
    layers: list[LayerState]


@dataclass(frozen=True)
class Profile:
    """What the slope of an activation can be."""

    steepest: float
    flattens: bool  # on both sides
    cuts_off: bool  # the slope is exactly 0 somewhere near the origin


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` finds.

    Attributes
    ----------
    images : int
        Looked at in each snapshot.
    bound : float
        The largest product of steepest slopes on any way from the input to the output.
    profiles : dict of str to Profile
        Of every activation, by name.
    snapshots : list of Snapshot
        At the start and, unless it diverged before, after the steps.
    steps : int
        Done.
    diverged : str
        What happened where training did not last that long, else nothing.
    """

    images: int
    bound: float
    profiles: dict[str, Profile]
    snapshots: list[Snapshot]
    steps: int
    diverged: str


def diagnose(spec: RunSpec, threads: int, steps: int) -> Diagnosis:
    """Look at a config's network as it starts, train it for some steps, and look again.

    It is trained on the config's data, or on random images with random labels where it names none.
    """
    trainer = Experiment(spec, threads, fused=False).trainer if spec.data.train else _on_random_data(spec, threads)
    graph = trainer.network.graph
    profiles = {node.name: profile(node.layer) for node in graph.nodes if isinstance(node.layer, Pointwise)}
    count = min(len(trainer.train), max(LOOKED_AT, trainer.network.batch_size))
    indices = np.linspace(0, len(trainer.train) - 1, count).astype(np.int64)  # data may be sorted by class
    snapshots = [_look(trainer, indices, profiles, {})]
    diverged = ""
    try:
        updates = _train(trainer, steps)
        if steps:
            snapshots.append(_look(trainer, indices, profiles, updates))
    except Diverged as error:
        diverged = str(error)
    return Diagnosis(count, _bound(graph, profiles), profiles, snapshots, trainer.progress.step, diverged)


def _train(trainer: Trainer, steps: int) -> dict[str, float]:
    """Train for some steps, or to the end; returns what the last one changed, relative to the weights, by layer."""
    updates: dict[str, float] = {}
    reports = trainer.fit()
    while trainer.progress.step < steps:
        before = {name: weights.copy() for name, weights in _weights(trainer.network).items()}
        report = next(reports, None)
        if report is None:
            break
        if isinstance(report, StepReport):
            updates = {
                name: _norm(weights - before[name]) / (_norm(before[name]) or 1.0)
                for name, weights in _weights(trainer.network).items()
            }
    return updates


@cache
def profile(layer: Pointwise) -> Profile:
    """Find out about an activation by sending numbers from -20 to 20 through it, and gradients back."""
    grid = np.arange(-2000, 2001) / 100
    graph = Graph([Node("f", layer, (INPUT,))], (1, 1, len(grid)), Loss())
    start = Network(graph, 1, training=False)
    start.initialize(0)
    probe = Probe(graph, start.arrays(), "f")
    probe.forward(grid.reshape(1, 1, 1, -1))
    slope = np.abs(probe.backward(np.ones((1, 1, len(grid)))).ravel())
    steepest = float(slope.max())
    ends = max(slope[0], slope[-1])
    return Profile(steepest, bool(ends < FLAT * steepest), bool((slope[np.abs(grid) <= 5] == 0).sum() > 1))


def _bound(graph: Graph, profiles: dict[str, Profile]) -> float:
    bounds = {INPUT: 1.0}
    for node in graph.nodes:
        steepest = profiles[node.name].steepest if node.name in profiles else 1.0
        bounds[node.name] = steepest * max(bounds[name] for name in node.inputs)
    return bounds[graph.output]


def _weights(network: Network) -> dict[str, np.ndarray]:
    """Tensors called weight, by layer."""
    return {name.rpartition(".")[0]: array for name, array in network.param.items() if name.endswith(".weight")}


def _norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.ravel().astype(np.float64)))


class _Means:
    """Mean squares of norms, and how units stand, gathered over batches."""

    def __init__(self) -> None:
        self.squares: dict[str, float] = {}
        self.flat: dict[str, int] = {}
        self.alive: dict[str, np.ndarray] = {}
        self.units: dict[str, int] = {}

    def add(self, key: str, square: float) -> None:
        self.squares[key] = self.squares.get(key, 0.0) + square

    def add_slope(self, name: str, slope: np.ndarray, steepest: float) -> None:
        """Slopes of one batch, (images, channels, rows, columns)."""
        self.add(f"{name}:slope", float(np.square(slope, dtype=np.float64).sum()))
        self.flat[name] = self.flat.get(name, 0) + int((slope < FLAT * steepest).sum())
        self.units[name] = self.units.get(name, 0) + slope.size
        self.alive[name] = self.alive.get(name, np.zeros(slope.shape[1], bool)) | (slope != 0).any(axis=(0, 2, 3))


def _look(trainer: Trainer, indices: np.ndarray, profiles: dict[str, Profile], updates: dict[str, float]) -> Snapshot:
    """Both passes over some images, without a step; batch normalisation's running averages move."""
    network, graph = trainer.network, trainer.network.graph
    means, losses, batches = _Means(), 0.0, 0
    for first in range(0, len(indices), network.batch_size):
        some = indices[first : first + network.batch_size]
        trainer.preprocessing.fill(network, trainer.train.images, some)
        network.set_targets(trainer.train.labels[some])
        for node in graph.nodes:
            b = network.buffers(node.name)
            node.layer.forward(b, not node.frozen)
            if node.name in profiles and b.dx is not None:
                b.dy[...] = 1.0  # so that backward yields the slopes; the real gradient comes later
                node.layer.backward(b)
                slope = np.abs(_valid(b.dx, network.n))
                means.add_slope(node.name, slope, profiles[node.name].steepest)
        graph.loss.forward(network.loss)
        losses += network.mean_loss() * len(some)
        network.backward()
        batches += 1
        for node in graph.nodes:
            dy = network.buffers(node.name).dy
            if dy is not None and not graph.in_place(node):
                means.add(f"{node.name}:output", len(some) ** 2 * _norm(_valid(dy, network.n)) ** 2)
            if f"{node.name}.weight" in network.param_grad:
                means.add(f"{node.name}:weight", _norm(network.param_grad[f"{node.name}.weight"]) ** 2)

    def rms(key: str, count: int) -> float | None:
        return math.sqrt(means.squares[key] / count) if key in means.squares else None

    weights = _weights(network)
    layers = []
    for node in graph.nodes:
        name = node.name
        if isinstance(node.layer, Copy):
            continue
        seen, units = profiles.get(name), means.units.get(name, 1)
        layers.append(
            LayerState(
                name,
                name_of(node.layer),
                weight=float(np.abs(weights[name]).mean()) if name in weights else None,
                weight_gradient=rms(f"{name}:weight", batches),
                update=updates.get(name),
                output_gradient=rms(f"{name}:output", len(indices)),
                slope=rms(f"{name}:slope", units),
                saturated=means.flat[name] / units if seen and seen.flattens and name in means.flat else None,
                dead=1 - float(means.alive[name].mean()) if seen and seen.cuts_off and name in means.alive else None,
            )
        )
    return Snapshot(trainer.progress.step, losses / len(indices), layers)


def _valid(maps: np.ndarray, n: int) -> np.ndarray:
    """Numbers of the valid images, (images, channels, rows, columns)."""
    return np.moveaxis(maps, 4, 1).reshape(-1, *maps.shape[1:4])[:n]


def _on_random_data(spec: RunSpec, threads: int) -> Trainer:
    """A trainer for images of noise with random labels."""
    shape, classes = spec.data.in_shape, spec.data.class_count
    if shape is None or classes is None:
        raise SpecError(
            f"{spec.source}: names no data, so it must say what images there would be: "
            "data: {image: {size: [height, width], channels: 1 or 3}, classes: NUMBER}"
        )
    trace(spec, shape, classes)
    channels, height, width = shape
    count = 4 * max(LOOKED_AT, spec.train.batch_size)
    stream = random.stream("diagnose")
    pixels = random.bits(0, stream, np.arange(count * channels * height * width, dtype=np.uint64))
    labels = random.bits(1, stream, np.arange(count, dtype=np.uint64)) % np.uint64(classes)
    images = Images(
        (pixels & np.uint64(255)).astype(np.uint8).reshape(count, height, width, channels),
        labels.astype(np.int32),
        names=[""] * count,
        classes=tuple(map(str, range(classes))),
    )
    graph = Graph(spec.model, shape, spec.loss)
    network = Network(graph, spec.train.batch_size, training=True, threads=threads, fused=False)
    network.initialize(spec.train.seed)
    preprocessing = Preprocessing((height, width), channels, (0.5,) * channels, (0.29,) * channels)
    return Trainer(network, spec.optimizer, spec.schedule, preprocessing, images, None, spec.train)
