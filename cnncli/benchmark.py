"""How fast a network trains and runs here, on random images: whole steps, and layer by layer."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from cnncli.datasets.base import Images
from cnncli.evaluation import predict
from cnncli.graph import Graph
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.spec import RunSpec, TrainSpec
from cnncli.training import StepReport, Trainer

BATCHES = 4  # of random images
REPEATS = 3  # at least, however long they take


@dataclass(frozen=True)
class LayerTime:
    """Median times of one layer for a batch, and the arithmetic done in them (2 per multiply-add, both passes)."""

    name: str
    forward_ms: float
    backward_ms: float
    gflops: float


@dataclass(frozen=True)
class Speed:
    """What `measure` finds; a step is everything from pixels to new weights."""

    batch_size: int
    threads: int
    variant: str
    lanes: int
    train_images_per_s: float
    eval_images_per_s: float
    step_ms_median: float
    step_ms_min: float
    layers: list[LayerTime]

    @property
    def wasted(self) -> float:
        """Share of the lanes that stay empty, since a batch fills whole blocks of them."""
        return 1 - self.batch_size / (-(-self.batch_size // self.lanes) * self.lanes)


def measure(spec: RunSpec, graph: Graph, batch_size: int, threads: int, seconds: float) -> Speed:
    """Time training steps, inference and single layers, for about a third of `seconds` each."""
    channels, height, width = graph.in_shape
    classes = graph.shapes[graph.output][0]
    network = Network(graph, batch_size, training=True, threads=threads)  # first: it may not fit
    network.initialize(seed=0)
    rng = np.random.default_rng(0)
    count = BATCHES * batch_size
    images = Images(
        rng.integers(0, 256, (count, height, width, channels), np.uint8),
        rng.integers(0, classes, count, dtype=np.int32),
        names=[""] * count,
        classes=tuple(map(str, range(classes))),
    )
    preprocessing = Preprocessing((height, width), channels, (0.5,) * channels, (0.3,) * channels)
    optimizer = replace(spec.optimizer, lr=1e-9)  # random labels must not make the weights grow
    trainer = Trainer(network, optimizer, spec.schedule, preprocessing, images, None, TrainSpec(epochs=2**31))
    reports = (report for report in trainer.fit() if isinstance(report, StepReport))
    steps = _times(lambda: next(reports), seconds / 3)
    inference = Network.for_use(graph, network.arrays(), batch_size, threads)
    passes = _times(lambda: predict(inference, preprocessing, images.images), seconds / 3)
    return Speed(
        batch_size=batch_size,
        threads=threads,
        variant=network.kernels.variant,
        lanes=network.lanes,
        train_images_per_s=batch_size / median(steps),
        eval_images_per_s=count / median(passes),
        step_ms_median=1e3 * median(steps),
        step_ms_min=1e3 * min(steps),
        layers=_layers(network, seconds / 3),
    )


def _layers(network: Network, seconds: float) -> list[LayerTime]:
    """Every layer in its place between the others, so that it finds in the caches what it does in training."""
    graph = network.graph
    needed = graph.needs_gradient()
    forward: dict[str, list[float]] = {node.name: [] for node in graph.nodes}
    backward: dict[str, list[float]] = defaultdict(list)

    def one_step() -> None:
        for node, b in network.forward_steps:
            began = time.perf_counter()
            node.layer.forward(b, not node.frozen)
            forward[node.name].append(time.perf_counter() - began)
        graph.loss.forward(network.loss)
        graph.loss.backward(network.loss)
        took: dict[str, float] = {}
        for name, step, b in network.backward_steps:
            began = time.perf_counter()
            step.backward(b)
            took[name] = took.get(name, 0.0) + time.perf_counter() - began
        for name, duration in took.items():
            backward[name].append(duration)

    _times(one_step, seconds)
    found = []
    for node in graph.nodes:
        seconds_forward = median(forward[node.name]) if forward[node.name] else 0.0
        seconds_backward = median(backward[node.name]) if backward[node.name] else 0.0
        passes = 1 + bool(graph.plans[node.name].params) + any(needed[name] for name in node.inputs)
        work = 2 * graph.plans[node.name].macs * network.batch_size * passes
        rate = work / (seconds_forward + seconds_backward) / 1e9 if work else 0.0
        found.append(LayerTime(node.name, 1e3 * seconds_forward, 1e3 * seconds_backward, rate))
    return found


def _times(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each of as many calls as fit, after one that warms the caches."""
    call()
    end = time.perf_counter() + seconds
    found: list[float] = []
    while len(found) < REPEATS or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return found
