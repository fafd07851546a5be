"""A network as a graph of planned layers: shapes, order, who reads whom. No arrays yet (see `cnncli.network`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnncli.layers._copy import Copy
from cnncli.layers.base import NO_FRAME, LayerPlan, Param, Shape
from cnncli.losses.base import Loss
from cnncli.registry import name_of
from cnncli.spec import INPUT, Node


@dataclass(frozen=True)
class Summary:
    """One line of the table that ``cnn summary`` prints; sizes are per image, `bytes` those of the output in
    float32. `fully_connected` is what a layer with weights would have as parameters if every unit saw every input, and
    0 for the others."""

    name: str
    type: str
    output: Shape
    parameters: int
    connections: int
    multiply_adds: int
    fully_connected: int
    receptive_field: tuple[int, int]
    bytes: int


class Graph:
    """Nodes in topological order with their plans; the last one is the output.

    Parameters
    ----------
    nodes : sequence of Node
    in_shape : Shape
        Of one image.
    loss : Loss

    Raises
    ------
    ShapeError
        If a layer does not fit its input.
    """

    def __init__(self, nodes: Sequence[Node], in_shape: Shape, loss: Loss) -> None:
        self.in_shape = in_shape
        self.loss = loss
        self.nodes: list[Node] = []
        self.plans: dict[str, LayerPlan] = {}
        self.readers: dict[str, list[str]] = {INPUT: []}
        for node in nodes:
            self._append(node)
        self.output = nodes[-1].name
        self.shapes: dict[str, Shape] = {INPUT: in_shape} | {name: plan.out_shape for name, plan in self.plans.items()}
        self.params: dict[str, Param] = {
            f"{node.name}.{key}": replace(param, rate=0.0, decay=0.0)
            if node.frozen
            else replace(param, rate=param.rate * node.lr_factor, decay=param.decay * node.decay_factor)
            for node in self.nodes
            if node.share is None
            for key, param in self.plans[node.name].params.items()
        }
        self.sharing: set[str] = {name for node in self.nodes if node.share for name in (node.name, node.share)}

    def _append(self, node: Node) -> None:
        shapes = [self.in_shape if name == INPUT else self.plans[name].out_shape for name in node.inputs]
        plan = node.layer.plan(shapes)
        if plan.frame != NO_FRAME and self._frame_value(node.inputs[0]) not in (None, plan.frame_value):
            copy = Node(name=f"{node.name}:input", layer=Copy(), inputs=node.inputs)
            self._append(copy)
            node = replace(node, inputs=(copy.name,))
        self.nodes.append(node)
        self.plans[node.name] = plan
        self.readers[node.name] = []
        for name in node.inputs:
            self.readers[name].append(node.name)

    def _frame_value(self, name: str) -> float | None:
        """What the readers so far want in the border of this node's output."""
        for reader in self.readers[name]:
            if self.plans[reader].frame != NO_FRAME:
                return self.plans[reader].frame_value
        return None

    def stored_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors that files hold, by name."""
        state = {
            f"{node.name}.{key}": shape
            for node in self.nodes
            if node.share is None
            for key, (shape, _) in self.plans[node.name].state.items()
        }
        return {name: param.stored_shape for name, param in self.params.items()} | state

    def in_place(self, node: Node) -> bool:
        """Whether this node may write its output over its input."""
        source = node.inputs[0]
        return (
            self.plans[node.name].in_place
            and source != INPUT
            and self.readers[source] == [node.name]
            and "y" not in self.plans[source].reads
        )

    def needs_gradient(self, input_gradient: bool = False) -> dict[str, bool]:
        """For each node, whether the gradient of its output serves any parameter (or the input)."""
        needed = {INPUT: input_gradient}
        for node in self.nodes:
            trained = self.plans[node.name].params and (not node.frozen or input_gradient)
            needed[node.name] = bool(trained) or any(needed[name] for name in node.inputs)
        return needed

    def receptive_fields(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of the image that one output unit sees: r += (K - 1) jump, jump *= stride."""
        fields: dict[str, tuple[int, int]] = {INPUT: (1, 1)}
        jumps: dict[str, tuple[int, int]] = {INPUT: (1, 1)}
        for node in self.nodes:
            plan = self.plans[node.name]
            seen = [fields[name] for name in node.inputs]
            jump = [jumps[name] for name in node.inputs]
            axes = range(2)
            fields[node.name] = tuple(  # type: ignore[assignment]
                max(r[a] + (plan.kernel[a] - 1) * j[a] for r, j in zip(seen, jump, strict=True)) for a in axes
            )
            jumps[node.name] = tuple(max(j[a] for j in jump) * plan.jump[a] for a in axes)  # type: ignore[assignment]
        return fields

    def summary(self) -> list[Summary]:
        """What each node costs, in order."""
        fields = self.receptive_fields()
        return [
            Summary(
                name=node.name,
                type=name_of(node.layer),
                output=plan.out_shape,
                parameters=0 if node.share else sum(_size(param.shape) for param in plan.params.values()),
                connections=plan.connections,
                multiply_adds=plan.macs,
                fully_connected=self._fully_connected(node) if plan.macs else 0,
                receptive_field=fields[node.name],
                bytes=0 if self.in_place(node) else 4 * _size(plan.out_shape),
            )
            for node, plan in ((node, self.plans[node.name]) for node in self.nodes)
        ]

    def _fully_connected(self, node: Node) -> int:
        """A weight from every input to every unit, and as many biases as units have now."""
        plan = self.plans[node.name]
        weights = sum(_size(self.shapes[name]) for name in node.inputs) * _size(plan.out_shape)
        return weights + plan.connections - plan.macs


def _size(shape: Any) -> int:
    return int(np.prod(shape, dtype=np.int64))
