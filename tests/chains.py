"""Chains of layers run twice: by the oracles, and by the product's layers in a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import reference
from lecture_vectors import Array, Step, Vector
from oracles import ORACLES
from rig import put, take

from cnncli import registry
from cnncli.graph import Graph
from cnncli.layers.base import Layer
from cnncli.losses.base import Loss, LossBuffers
from cnncli.losses.sum_squared_error import SumSquaredError
from cnncli.network import Network
from cnncli.spec import INPUT, Node

Tensors = dict[str, Array]


def by_oracles(vector: Vector) -> Tensors:
    """Both passes through the oracles; parameters stand in the order of the oracle's arguments."""
    inputs = [vector.x]
    for step in vector.steps:
        inputs.append(getattr(reference, step.layer)(inputs[-1], *step.params.values(), **step.options))
    y = inputs[-1]
    tensors = {"y": y} | {f"{name}.y": output for name, output in zip(vector.names(), inputs[1:], strict=True)}
    if vector.target is None:
        d = np.ones_like(y)
    else:
        tensors["loss"] = reference.sum_squared_error(y, vector.target, reduction="sum")
        (d,) = reference.sum_squared_error_backward(y, vector.target, reduction="sum")
    for name, step, x in reversed(list(zip(vector.names(), vector.steps, inputs[:-1], strict=True))):
        backward = getattr(reference, f"{step.layer}_backward")
        d, *gradients = backward(d, x, *step.params.values(), **step.options)
        tensors |= {f"{name}.d{param}": g for param, g in zip(step.params, gradients, strict=False)}
    return tensors | {"dx": d}


def by_network(vector: Vector, **settings: Any) -> Tensors:
    """Both passes through the layers.

    Layers may overwrite what others have put out: what is printed of an output in the middle is looked up in the
    network that ends there.
    """
    names, n = vector.names(), len(vector.x)
    asked = {printed.tensor for printed in vector.printed}
    lengths = [i for i, name in enumerate(names, start=1) if f"{name}.y" in asked]
    tensors = {f"{names[length - 1]}.y": _output(_network(vector, length, **settings)) for length in lengths}
    whole = _network(vector, len(names), **settings)
    tensors |= {"y": _output(whole), "loss": whole.loss.losses[:n].sum()}
    whole.backward()
    assert whole.dx is not None
    gradients = {name.replace(".", ".d"): grad for name, grad in whole.param_grad.items()}
    return tensors | {"dx": take(whole.dx, n)} | gradients


def _output(network: Network) -> Array:
    return take(network.buffers(network.graph.output).y, network.n)


class _Total(Loss):
    """The sum of all outputs: its gradient is ones."""

    def forward(self, b: LossBuffers) -> None:
        pass  # nobody asks for its value

    def backward(self, b: LossBuffers) -> None:
        put(b.dx, np.ones((b.n, *b.dx.shape[1:4])), unused=0.0)


def _network(vector: Vector, length: int, **settings: Any) -> Network:
    """The first layers of a chain after their forward pass."""
    names, steps = vector.names()[:length], vector.steps[:length]
    nodes = [
        Node(name, _layer(step), (source,))
        for name, step, source in zip(names, steps, [INPUT, *names[:-1]], strict=True)
    ]
    loss = _Total() if vector.target is None else SumSquaredError(targets=(0.0, float(vector.target.item())))
    n, *shape = vector.x.shape
    in_shape: Any = tuple(shape)
    network = Network(Graph(nodes, in_shape, loss), n, training=True, input_gradient=True, **settings)
    for name, step in zip(names, steps, strict=True):
        for key, value in step.params.items():
            network.param[f"{name}.{key}"][...] = value
    put(network.x, vector.x, unused=1e3)
    network.set_targets(np.zeros(n, np.int32))
    network.forward(training=True)
    return network


def _layer(step: Step) -> Layer:
    """The layer of a step: options have other names there, sizes of parameters are options too."""
    renamed = ORACLES[step.layer].options
    options: dict[str, Any] = {renamed.get(keyword, keyword): value for keyword, value in step.options.items()}
    layer: Layer = registry.get("layers", step.layer)(**options, **_sizes(step))
    return layer


def _sizes(step: Step) -> dict[str, Any]:
    weight, bias = step.params.get("weight"), step.params.get("bias")
    if weight is None:
        return {}
    kind = {None: "none", 1: "map", 3: "matrix"}[None if bias is None else bias.ndim]
    return {
        "conv2d": {"out_channels": len(weight), "kernel_size": weight.shape[-2:], "bias": kind},
        "linear": {"out_features": len(weight), "bias": bias is not None},
        "local2d": {"out_channels": weight.shape[-1], "kernel_size": weight.shape[3:5], "bias": bias is not None},
    }.get(step.layer, {})
