"""What a node of a network works with: views into the network's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnncli import random
from cnncli.layers.base import Buffers
from cnncli.lifetimes import Place
from cnncli.wiring import Node
from cnncli.workspace import Maps, aligned


def bind(
    node: Node,
    network: Any,
    values: Mapping[str, Maps],
    gradients: Mapping[str, Maps],
    edges: Mapping[Place, Any],
    scratch: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> Buffers:
    """The arrays of one node.

    Parameters
    ----------
    node : Node
    network : Network
        As far as its tensors and kernels are there; those of state are made here.
    values, gradients : mapping of str to Maps
        Activations and their gradients, by node.
    edges : mapping of Place to ndarray
        Where a node puts the gradient of an input.
    scratch : (ndarray, ndarray)
        Memory for all nodes, floating point and int32.
    seed : int
    """
    plan, shard, blocks = network.graph.plans[node.name], network.shard, network.blocks
    b = Buffers()
    b.xs = tuple(values[name].inside for name in node.inputs)
    b.dxs = tuple(edges.get((node.name, i)) for i in range(len(node.inputs)))
    b.x, b.dx = b.xs[0], b.dxs[0]
    b.x_framed = values[node.inputs[0]].framed(plan.frame)
    b.y = values[node.name].inside
    own = gradients.get(node.name)
    b.dy = own.inside if own else None
    b.dy_framed = own.framed(plan.grad_frame) if own else None
    b.param = {key: network.param[f"{node.owner}.{key}"] for key in plan.params}
    # who shares another's tensors has gradients of its own, added to the owner's when both are there
    grads = network.param_grad if node.share is None else network.shared_grad
    b.grad = {key: grads[f"{node.name}.{key}"] for key in plan.params} if grads else {}
    b.state = {
        key: network.state.setdefault(f"{node.owner}.{key}", np.array(np.broadcast_to(value, shape), np.float64))
        for key, (shape, value) in plan.state.items()
    }
    b.constants = {key: np.ascontiguousarray(array, np.int32) for key, array in plan.constants.items()}
    b.saved = {}
    for key, saved in plan.saved.items():
        shape = {
            "lane": (blocks, *saved.shape, network.lanes),
            "block": (blocks, *saved.shape),
            "batch": (shard.blocks, *saved.shape),
            "node": saved.shape,
        }[saved.per]
        b.saved[key] = aligned(shape, network.dtype if saved.dtype == "real" else saved.dtype)
    b.real, b.index = scratch
    b.algorithm, b.rectified = plan.algorithm, node.name in network.fused
    b.kernels, b.threads, b.shard = network.kernels, network.threads, shard
    b.seed, b.stream, b.step = seed, random.stream(node.name), 0
    return b
