"""Less work for the same results: passes over the planned graph.

Layers change places or merge where what they compute together stays the same; a ReLU is left to the layer before it;
gradients that are those of another map lie in its memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cnncli.graph import Graph
from cnncli.layers._pointwise import Pointwise
from cnncli.layers._skipping_conv2d import SkippingConv2d
from cnncli.layers.batch_norm2d import BatchNorm2d
from cnncli.layers.conv2d import Conv2d
from cnncli.layers.gain import Gain
from cnncli.layers.max_pool2d import MaxPool2d
from cnncli.layers.relu import Relu
from cnncli.layers.subsample2d import Subsample2d
from cnncli.spec import INPUT, Node


def simplified(graph: Graph) -> Graph:
    """Less to compute: convolutions that leave samples out, and each ReLU behind the pooling after it."""
    return _pool_first(_skip(graph))


def _skip(graph: Graph) -> Graph:
    """Leave samples out in the convolution already, where only layers that work sample by sample come in between."""
    nodes = {node.name: node for node in graph.nodes}
    skipping: dict[str, Node] = {}
    instead: dict[str, str] = {}  # of a subsampling, the layer before it
    for node in graph.nodes:
        if not isinstance(node.layer, Subsample2d):
            continue
        place = node.inputs[0]
        while place != INPUT and len(graph.readers[place]) == 1 and isinstance(nodes[place].layer, (Pointwise, Gain)):
            place = nodes[place].inputs[0]
        conv = nodes.get(place)
        if conv is None or type(conv.layer) is not Conv2d or conv.layer.algorithm == "winograd":
            continue
        if len(graph.readers[place]) == 1:
            skipping[place] = replace(conv, layer=SkippingConv2d.of(conv.layer, node.layer.skip))
            instead[node.name] = node.inputs[0]
    kept = [skipping.get(node.name, node) for node in graph.nodes if node.name not in instead]
    return Graph([_reading(node, instead) for node in kept], graph.in_shape, graph.loss)


def _pool_first(graph: Graph) -> Graph:
    """max(relu(x)) = relu(max(x)): the ReLU then has the smaller map, and the pooling carries it out."""
    nodes = {node.name: node for node in graph.nodes}
    behind: dict[str, str] = {}  # of a pooling, the ReLU that stood before it
    for node in graph.nodes:
        before = nodes.get(node.inputs[0])
        if before is None or not (isinstance(node.layer, MaxPool2d) and isinstance(before.layer, Relu)):
            continue
        if graph.readers[before.name] == [node.name]:
            behind[node.name] = before.name
    found: list[Node] = []
    for node in graph.nodes:
        if node.name in behind:
            relu = nodes[behind[node.name]]
            found += [_reading(replace(node, inputs=relu.inputs), behind), replace(relu, inputs=(node.name,))]
        elif node.name not in behind.values():
            found.append(_reading(node, behind))
    return Graph(found, graph.in_shape, graph.loss)


def folded(graph: Graph, arrays: Mapping[str, np.ndarray]) -> tuple[Graph, dict[str, np.ndarray]]:
    """For evaluation: batch normalisation, a scale and a shift of maps, in the convolution before it; new tensors."""
    nodes = {node.name: node for node in graph.nodes}
    found = dict(arrays)
    instead: dict[str, str] = {}  # of a normalisation, the convolution before it
    convolutions: dict[str, Node] = {}
    for node in graph.nodes:
        conv = nodes.get(node.inputs[0])
        if not isinstance(node.layer, BatchNorm2d) or conv is None or type(conv.layer) is not Conv2d:
            continue
        if conv.layer.bias == "matrix" or graph.readers[conv.name] != [node.name]:
            continue
        if {node.name, conv.name} & graph.sharing:
            continue
        weight, bias, mean, variance = (
            found.pop(f"{node.name}.{key}").astype(np.float64)
            for key in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + node.layer.eps)
        own = found.get(f"{conv.name}.bias", np.zeros(len(scale)))
        found[f"{conv.name}.weight"] = found[f"{conv.name}.weight"] * scale.reshape(-1, 1, 1, 1)
        found[f"{conv.name}.bias"] = (own - mean) * scale + bias
        convolutions[conv.name] = replace(conv, layer=replace(conv.layer, bias="map"))
        instead[node.name] = conv.name
    kept = [convolutions.get(node.name, node) for node in graph.nodes if node.name not in instead]
    return Graph([_reading(node, instead) for node in kept], graph.in_shape, graph.loss), found


def _reading(node: Node, instead: Mapping[str, str]) -> Node:
    """The node with other inputs instead of some."""
    return replace(node, inputs=tuple(instead.get(name, name) for name in node.inputs))


def rectified(graph: Graph) -> dict[str, str]:
    """For each layer that cuts its own output at 0, the ReLU that it carries out."""
    return {
        node.inputs[0]: node.name
        for node in graph.nodes
        if isinstance(node.layer, Relu) and graph.in_place(node) and graph.plans[node.inputs[0]].rectifies != "never"
    }


def gradient_owners(graph: Graph, owners: dict[str, str]) -> dict[str, str]:
    """For each output, the node whose memory holds its gradient, from the same for the outputs themselves.

    A layer that hands its gradient on lends its memory to every input that nobody else reads, unless layers that work
    in place would write into it.
    """
    shared = dict(owners)
    members = {owner: [name for name in owners if owners[name] == owner] for owner in owners.values()}
    for node in reversed(graph.nodes):
        if graph.plans[node.name].hands_on:
            for name in node.inputs:
                if name != INPUT and graph.readers[name] == [node.name] and members[owners[name]] == [name]:
                    shared[name] = shared[node.name]
    return shared
