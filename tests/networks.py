"""Small networks written as the list under ``model:``, and what they must compute, layer by layer by the oracles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import reference
from oracles import ORACLES, Draw, Tensors
from rig import put

from cnncli import random, registry
from cnncli.fields import Problem
from cnncli.graph import Graph
from cnncli.layers.base import Shape
from cnncli.network import Network
from cnncli.spec import INPUT
from cnncli.wiring import read_model


def conv(out: int, kernel: Any = 3, **options: Any) -> dict[str, Any]:
    return {"conv2d": {"out_channels": out, "kernel_size": kernel, **options}}


def linear(out: int) -> dict[str, Any]:
    return {"linear": {"out_features": out}}


# name: shape of the images, layers; each ends in 4 units
NETWORKS: dict[str, tuple[Shape, list[Any]]] = {
    "plain": (
        (2, 6, 5),
        [conv(3, padding=1), "relu", {"max_pool2d": {"kernel_size": 2}}, linear(5), "relu", linear(4)],
    ),
    "residual": (
        (1, 6, 6),
        [
            conv(3, padding=1, bias="none"),
            "batch_norm2d",
            {"relu": {}, "name": "stem"},
            conv(3, padding=1),
            "batch_norm2d",
            {"add": {}, "inputs": ["batch_norm2d_2", "stem"]},
            "relu",
            conv(4, stride=2),
            "global_avg_pool2d",
        ],
    ),
    "readers that want different borders": (
        (2, 5, 5),
        [
            {**conv(2, padding=1, pad_value=1.0), "name": "a"},
            {**conv(2, padding=1, pad_value=-1.0), "name": "b", "inputs": "input"},
            {**conv(3, kernel=1), "name": "c", "inputs": "a"},
            {**conv(3, padding=2, kernel=5, pad_value=0.5), "name": "d", "inputs": "a"},
            {**conv(3, padding=1), "name": "e", "inputs": "b"},
            {"concat": {}, "inputs": ["c", "d", "e", "a"]},
            linear(4),
        ],
    ),
    "the input read three times": (
        (3, 4, 4),
        [
            {**conv(3, padding=1), "name": "a"},
            {"max_pool2d": {"kernel_size": 3, "stride": 1, "padding": 1}, "name": "b", "inputs": "input"},
            {"add": {}, "inputs": ["a", "b", "input"]},
            {"leaky_relu": {"slope": 0.3}},
            linear(4),
        ],
    ),
    "in place or not": (
        (2, 4, 6),
        [
            {**conv(4), "name": "a"},
            {"relu": {}, "name": "b"},
            {"dropout": {"p": 0.25}, "name": "c"},
            {"relu": {}, "name": "d"},
            {**conv(4, kernel=1), "name": "e"},
            {"dropout": {"p": 0.5}, "name": "f"},
            {"leaky_relu": {}, "name": "g"},
            {"add": {}, "inputs": ["d", "g"]},
            {"relu": {}, "name": "h"},
            {"avg_pool2d": {"kernel_size": 2}},
            "flatten",
            linear(4),
        ],
    ),
    "read raw and rectified": (
        (2, 3, 3),
        [{**conv(3, kernel=2), "name": "a"}, {"relu": {}, "name": "b"}, {"add": {}, "inputs": ["a", "b"]}, linear(4)],
    ),
    "residual blocks": (
        (2, 5, 8),
        [
            {**conv(16, padding=1, bias="none"), "name": "first"},
            "batch_norm2d",
            {"relu": {}, "name": "stem"},
            conv(16, padding=1, algorithm="winograd"),
            "batch_norm2d",
            "relu",
            conv(16, padding=1),
            {"batch_norm2d": {}, "name": "inner"},
            {"add": {}, "inputs": ["inner", "stem"]},
            {"relu": {}, "name": "middle"},
            {**conv(16, kernel=1), "name": "right", "inputs": "middle"},
            {"add": {}, "inputs": ["right", "middle"]},
            {"relu": {}, "name": "end"},
            {"add": {}, "inputs": ["end", "stem", "end"]},
            "global_avg_pool2d",
            linear(4),
        ],
    ),
    "skipping": (
        (2, 9, 8),
        [
            conv(3, padding=1, bias="matrix"),
            {"softplus": {"k": 2.0, "trained": True}},
            {"gain": {}},
            {"subsample2d": {"skip": [1, 2]}},
            conv(4, bias="none", flip=True, algorithm="direct"),
            "tanh",
            {"subsample2d": {"skip": [0, 1]}},
            conv(5, kernel=1, table=[[1, 0, 1, 1, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 1, 0, 0, 1]]),
            "subsample2d",
            linear(4),
        ],
    ),
    "one input to two inputs of a layer": ((1, 3, 3), [conv(2), {"add": {}, "inputs": ["conv2d_1"] * 2}, linear(4)]),
}
CLASSES = 4
SEED, STEP = 5, 11


def build(model: list[Any], in_shape: Shape, loss: str = "softmax_cross_entropy") -> Graph:
    """The graph of a list of layers."""
    problems: list[Problem] = []
    nodes = read_model(model, problems)
    assert problems == []
    return Graph(nodes, in_shape, registry.get("losses", loss)())


def named(name: str) -> Graph:
    """The graph of one of `NETWORKS`."""
    in_shape, model = NETWORKS[name]
    return build(model, in_shape)


class Step(NamedTuple):
    """What one pass forward and back through a network gives."""

    scores: np.ndarray
    loss: float
    grads: Tensors
    dx: np.ndarray


def by_oracles(graph: Graph, network: Network, x: np.ndarray, labels: np.ndarray, seed: int, step: int) -> Step:
    """The step of a network with softmax and cross-entropy, computed by the oracles alone."""
    values: dict[str, np.ndarray] = {INPUT: x}

    def answer(node: Any, dy: np.ndarray | None) -> Any:
        params = {k: network.param[f"{node.name}.{k}"].astype(float) for k in graph.plans[node.name].params}
        draw = Draw(seed, random.stream(node.name), step, network.lanes)
        oracle, xs = ORACLES[registry.name_of(node.layer)], [values[i] for i in node.inputs]
        return oracle(node.layer, xs, lambda shape: np.zeros(shape) if dy is None else dy, params, draw)

    for node in graph.nodes:
        copied = registry.name_of(node.layer) == "_copy"
        values[node.name] = values[node.inputs[0]] if copied else answer(node, None).y
    z, target = values[graph.output], reference.code_targets(labels, CLASSES)
    slopes = {name: np.zeros_like(value) for name, value in values.items()}
    (slopes[graph.output],) = reference.softmax_cross_entropy_backward(z, target, reduction="mean")
    grads: Tensors = {}
    for node in reversed(graph.nodes):
        if registry.name_of(node.layer) == "_copy":
            slopes[node.inputs[0]] = slopes[node.inputs[0]] + slopes[node.name]
            continue
        found = answer(node, slopes[node.name])
        for source, dx in zip(node.inputs, found.dxs, strict=True):
            slopes[source] = slopes[source] + dx
        grads |= {f"{node.name}.{name}": grad for name, grad in found.grads.items()}
    loss = float(reference.softmax_cross_entropy(z, target, reduction="mean"))
    return Step(reference.softmax(z)[:, :, 0, 0], loss, grads, slopes[INPUT])


def prepared(name: str, size: int, n: int, **settings: Any) -> tuple[Network, np.ndarray, np.ndarray]:
    """A network with weights, images and labels in it."""
    network = Network(named(name), size, training=True, seed=SEED, **settings)
    network.initialize(SEED)
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, *network.graph.in_shape)).astype(np.float32).astype(float)
    labels = rng.integers(0, CLASSES, n, np.int32)
    put(network.x, x, unused=0.0)
    network.set_targets(labels)
    return network, x, labels
