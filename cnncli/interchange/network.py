"""From a trained network to a program: which function turns which layer into elementary operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cnncli.graph import Graph
from cnncli.interchange import activations, convolutions, normalizations
from cnncli.interchange.program import INPUT, OUTPUT, Builder, Program
from cnncli.layers._copy import Copy
from cnncli.model import Model
from cnncli.preprocessing import Preprocessing
from cnncli.registry import name_of
from cnncli.spec import INPUT as FIRST

CONVERTERS: dict[str, Callable[..., str]] = {
    "abs": activations.absolute,
    "add": convolutions.add,
    "avg_pool2d": convolutions.avg_pool2d,
    "batch_norm2d": normalizations.batch_norm2d,
    "blur2d": normalizations.filter2d,
    "brightness_norm2d": normalizations.brightness_norm2d,
    "concat": convolutions.concat,
    "contrast_norm2d": normalizations.local_norm2d,
    "conv2d": convolutions.conv2d,
    "divisive_norm2d": normalizations.local_norm2d,
    "dropout": activations.identity,
    "elu": activations.elu,
    "fixed_filter2d": normalizations.filter2d,
    "flatten": convolutions.flatten,
    "gain": activations.gain,
    "gelu": activations.gelu,
    "global_avg_pool2d": convolutions.global_avg_pool2d,
    "group_norm": normalizations.norm_of_groups,
    "hard_swish": activations.hard_swish,
    "layer_norm": normalizations.norm_of_groups,
    "leaky_relu": activations.leaky_relu,
    "linear": convolutions.linear,
    "local2d": convolutions.local2d,
    "max_pool2d": convolutions.max_pool2d,
    "multiply": convolutions.multiply,
    "prelu": activations.prelu,
    "relu": activations.relu,
    "scaled_avg_pool2d": convolutions.scaled_avg_pool2d,
    "sigmoid": activations.sigmoid,
    "silu": activations.silu,
    "softabs": activations.softabs,
    "softplus": activations.softplus,
    "subsample2d": normalizations.filter2d,
    "subtractive_norm2d": normalizations.local_norm2d,
    "tanh": activations.tanh,
}


def program_of(model: Model) -> Program:
    """A trained network, with the normalisation of pixels before it and softmax (and its temperature) behind it."""
    to = Builder()
    x = _normalized(to, model.preprocessing)
    y = convert(to, model.graph, model.arrays, x)
    to.prefix = "scores"
    y = to("Flatten", y, axis=1)
    if model.spec.loss.probabilities and not model.spec.loss.of_probabilities:
        if model.temperature:
            y = to.times(y, 1 / model.temperature)
        y = to("Softmax", y, axis=1)
    _rename(to, y)
    return Program(to.steps, to.constants, model.preprocessing.shape, len(model.classes))


def convert(to: Builder, graph: Graph, arrays: Mapping[str, np.ndarray], x: str) -> str:
    """All layers of a graph, from the value called `x`; returns the name of the last one's output.

    Parameters
    ----------
    to : Builder
    graph : Graph
    arrays : mapping of str to ndarray
        Parameters and state as files hold them.
    x : str
    """
    values = {FIRST: x}
    for node in graph.nodes:
        to.prefix, to.owner = node.name, node.owner
        inputs = [values[name] for name in node.inputs]
        plan = graph.plans[node.name]
        tensors = {key: arrays[f"{node.owner}.{key}"] for key in (*plan.params, *plan.state)}
        convert_one: Any = activations.identity if isinstance(node.layer, Copy) else CONVERTERS[name_of(node.layer)]
        several = type(node.layer).several_inputs
        values[node.name] = convert_one(
            to, node.layer, inputs if several else inputs[0], (graph.shapes[node.inputs[0]], plan.out_shape), tensors
        )
    return values[graph.output]


def _normalized(to: Builder, known: Preprocessing) -> str:
    to.prefix = "pixels"
    x = INPUT
    if any(known.mean):
        x = to("Sub", x, to.own("mean", np.array(known.mean).reshape(-1, 1, 1)))
    if any(std != 1 for std in known.std):
        x = to("Div", x, to.own("std", np.array(known.std).reshape(-1, 1, 1)))
    return x


def _rename(to: Builder, last: str) -> None:
    """Call the last step's output as the program's."""
    step = to.steps[-1]
    assert step.output == last
    to.steps[-1] = type(step)(step.operator, step.inputs, OUTPUT, step.options)
