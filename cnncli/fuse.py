"""Layers that others carry out on the way: one pass over the planned graph, which leaves every result as it is.

A ReLU that works in place of the output of a layer whose kernel can cut at 0 is left to that layer; the gradients of
inputs that are those of the output lie in the same memory.
"""

from __future__ import annotations

from cnncli.graph import Graph
from cnncli.layers.relu import Relu
from cnncli.spec import INPUT


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
