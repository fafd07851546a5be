"""Which maps a network needs, and when: what is not needed at the same time may lie in the same memory.

A pass is a list of steps, each with the maps that it reads or writes, by key. Keys of values are the names of nodes; of
gradients too, and (source, reader, place) for the share that one of several readers has in its source's gradient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cnncli.graph import Graph
from cnncli.layers.base import NO_FRAME, Frame, Shape
from cnncli.spec import INPUT
from cnncli.workspace import Maps, widest

Place = tuple[str, int]  # a node and the number of one of its inputs
Key = str | tuple[str, str, int]


@dataclass(frozen=True)
class Kind:
    """Maps of one kind can stand for each other: nobody writes into their borders."""

    shape: Shape
    frame: Frame = NO_FRAME
    value: float = 0.0


@dataclass
class Pass:
    """The steps of one pass in order, and the kind of each of the maps in them."""

    steps: list[list[Key]] = field(default_factory=list)
    kinds: dict[Key, Kind] = field(default_factory=dict)

    def allocate(self, make: Callable[[Kind], Maps], reuse: bool) -> dict[Key, Maps]:
        """The maps by key; with `reuse` those that are not needed any more serve again for others of their kind."""
        last = {key: t for t, keys in enumerate(self.steps) for key in keys}
        free: dict[Kind, list[Maps]] = defaultdict(list)
        found: dict[Key, Maps] = {}
        for t, keys in enumerate(self.steps):
            for key in keys:
                if key not in found:
                    idle = free[self.kinds[key]]
                    found[key] = idle.pop() if idle else make(self.kinds[key])
            if reuse:
                for key in dict.fromkeys(keys):
                    if last[key] == t:
                        free[self.kinds[key]].append(found[key])
        return found


def owners(graph: Graph) -> dict[str, str]:
    """For each output, the node whose memory holds it: chains of in-place layers share one."""
    found = {INPUT: INPUT}
    for node in graph.nodes:
        found[node.name] = found[node.inputs[0]] if graph.in_place(node) else node.name
    return found


def forward(graph: Graph, owner: Mapping[str, str]) -> Pass:
    """Values of outputs, with the borders that their readers want; the input and the output stay to the end."""
    kinds: dict[Key, Kind] = {}
    for key in dict.fromkeys(owner.values()):
        plans = [graph.plans[reader] for name in owner if owner[name] == key for reader in graph.readers[name]]
        border = [plan.frame_value for plan in plans if plan.frame != NO_FRAME]
        frame = widest(plan.frame for plan in plans)
        kinds[key] = Kind(graph.shapes[key], frame, border[0] if border else 0.0)
    steps: list[list[Key]] = [[owner[name] for name in (*node.inputs, node.name)] for node in graph.nodes]
    return Pass([*steps, [INPUT, owner[graph.output]]], kinds)


@dataclass
class Backward(Pass):
    """Gradients: `edges` says where each node writes that of its inputs, `shares` who adds up several of them."""

    edges: dict[Place, Key] = field(default_factory=dict)
    shares: dict[str, list[Key]] = field(default_factory=dict)


def backward(graph: Graph, owner: Mapping[str, str], needed: Mapping[str, bool]) -> Backward:
    """Gradients of outputs, with the borders that backward wants; that of the input stays to the end."""
    found = Backward()
    for key in dict.fromkeys(owner.values()):
        if needed[key] or key == owner[graph.output]:
            members = [name for name in owner if owner[name] == key and name != INPUT]
            found.kinds[key] = Kind(graph.shapes[key], widest(graph.plans[name].grad_frame for name in members))
    for name in [INPUT, *graph.plans]:
        places = [(node.name, i) for node in graph.nodes for i, source in enumerate(node.inputs) if source == name]
        if needed[name] and len(places) == 1:
            found.edges[places[0]] = owner[name]
        elif needed[name] and places:
            for reader, i in places:
                share: Key = owner[reader] if graph.plans[reader].hands_on else (name, reader, i)
                found.kinds.setdefault(share, Kind(graph.shapes[name]))
                found.edges[reader, i] = share
            found.shares[name] = [found.edges[place] for place in places]
    found.steps.append([owner[graph.output]])
    for node in reversed(graph.nodes):
        if found.shares.get(node.name):
            found.steps.append([*found.shares[node.name], owner[node.name]])
        if needed[node.name]:
            written = [found.edges[node.name, i] for i in range(len(node.inputs)) if (node.name, i) in found.edges]
            found.steps.append([owner[node.name], *written])
    if needed[INPUT]:
        found.steps.append([*found.shares.get(INPUT, []), INPUT])
    return found
