"""Whether a network can learn: how gradients pass through its layers, at the start and after some steps of training."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cnncli import random
from cnncli.datasets.base import Images
from cnncli.errors import Diverged, SpecError
from cnncli.experiment import Experiment
from cnncli.graph import Graph
from cnncli.health import LOOKED_AT, LayerState, norm, pace, spread, states, weights
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.probe import images_of
from cnncli.slopes import Profile, Units, profiles, slopes
from cnncli.spec import INPUT, RunSpec, trace
from cnncli.training import StepReport, Trainer


@dataclass(frozen=True)
class Snapshot:
    """How a network stands after a number of steps."""

    step: int
    loss: float
    layers: list[LayerState]


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
    seen = profiles(graph)
    count = min(len(trainer.train), max(LOOKED_AT, trainer.network.batch_size))
    indices = spread(len(trainer.train), count)
    snapshots = [_look(trainer, indices, seen, {})]
    diverged = ""
    try:
        updates = _train(trainer, steps)
        if steps:
            snapshots.append(_look(trainer, indices, seen, updates))
    except Diverged as error:
        diverged = str(error)
    return Diagnosis(count, _bound(graph, seen), seen, snapshots, trainer.progress.step, diverged)


def _train(trainer: Trainer, steps: int) -> dict[str, float]:
    """Train for some steps, or to the end; returns what the last one changed, relative to the weights, by layer."""
    network = trainer.network
    updates: dict[str, float] = {}
    reports = trainer.fit()
    while trainer.progress.step < steps:
        before = network.theta.copy()
        report = next(reports, None)
        if report is None:
            break
        if isinstance(report, StepReport):
            updates = {name: update for name, (_, update) in pace(network, before, network.grad).items()}
    return updates


def _bound(graph: Graph, profiles: dict[str, Profile]) -> float:
    bounds = {INPUT: 1.0}
    for node in graph.nodes:
        steepest = profiles[node.name].steepest if node.name in profiles else 1.0
        bounds[node.name] = steepest * max(bounds[name] for name in node.inputs)
    return bounds[graph.output]


def _look(
    trainer: Trainer, indices: np.ndarray, profiles: Mapping[str, Profile], updates: Mapping[str, float]
) -> Snapshot:
    """Both passes over some images, without a step; batch normalisation's running averages move."""
    network, graph = trainer.network, trainer.network.graph
    units = {name: Units(seen) for name, seen in profiles.items()}
    weight_squares: dict[str, float] = defaultdict(float)  # of norms of gradients, summed
    output_squares: dict[str, float] = defaultdict(float)
    losses, batches = 0.0, 0
    for first in range(0, len(indices), network.batch_size):
        some = indices[first : first + network.batch_size]
        trainer.preprocessing.fill(network, trainer.train.images, some)
        network.set_targets(trainer.train.labels[some])
        network.forward(training=True, step=trainer.progress.step)
        for node in graph.nodes:
            if node.name in units:
                units[node.name].add(slopes(network, node))
        losses += network.mean_loss() * len(some)
        network.backward()
        batches += 1
        for node in graph.nodes:
            dy = network.buffers(node.name).dy
            if dy is not None and not graph.in_place(node):
                output_squares[node.name] += len(some) ** 2 * norm(images_of(dy, network.n)) ** 2
        for name, gradient in weights(network, network.grad).items():
            weight_squares[name] += norm(gradient) ** 2

    gradients = {name: math.sqrt(square / batches) for name, square in weight_squares.items()}
    output_gradients = {name: math.sqrt(square / len(indices)) for name, square in output_squares.items()}
    layers = states(network, units, gradients, updates, output_gradients)
    return Snapshot(trainer.progress.step, losses / len(indices), layers)


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
