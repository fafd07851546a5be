"""The list under ``model:`` as a graph: names, options and inputs of the layers, in topological order."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from cnncli import registry
from cnncli.fields import Path, Problem, at_least, field, from_mapping, options, show, to_mapping
from cnncli.layers.base import Layer
from cnncli.registry import suggest

INPUT = "input"  # the network's input, as a name in `inputs`
TRAINING_KEYS = ("frozen", "lr_factor", "decay_factor")
ENTRY_KEYS = ("name", "inputs", "share", "repeat", "when", *TRAINING_KEYS)
MAX_LAYERS, LONGEST_NAME = 10_000, 200
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_NAMES = re.compile(rf"{NAME.pattern}(\.{NAME.pattern})*")  # a layer of a block has the names of both

ENTRY_SCHEMA: dict[str, dict[str, Any]] = {  # of those that are none of training, as JSON Schema
    "name": {
        "description": "what the layer is called: letters, digits and _",
        "type": "string",
        "pattern": f"^{_NAMES.pattern}$",
        "maxLength": LONGEST_NAME,
        "not": {"const": INPUT},
    },
    "inputs": {
        "description": "the layers it reads, where that is not the one before; input is the network's own",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    },
    "share": {"description": "a layer of the same type whose weights it works with", "type": "string"},
    "repeat": {
        "description": "how many of it follow one another",
        "type": "integer",
        "minimum": 0,
        "maximum": MAX_LAYERS,
        "default": 1,
    },
    "when": {"description": "false leaves it out: who reads it gets its input", "type": "boolean", "default": True},
}


@dataclass(frozen=True)
class Node:
    """A layer at its place in the graph; `inputs` are names of other nodes or `INPUT`.

    A frozen one is not trained, and in training works as in evaluation. The factors are those on learning rate and
    weight decay of its parameters. One that shares has no tensors of its own but those of another node, and is frozen
    if that one is.
    """

    name: str
    layer: Layer
    inputs: tuple[str, ...]
    frozen: bool = False
    lr_factor: float = 1.0
    decay_factor: float = 1.0
    share: str | None = None

    @property
    def owner(self) -> str:
        """Whose tensors it works with."""
        return self.share or self.name


@dataclass(frozen=True, kw_only=True)
class Training:
    """What may stand beside a layer about its training."""

    frozen: bool = field(default=False, doc="whether it is not trained, and in training works as in evaluation")
    lr_factor: float = field(at_least(0), default=1.0, doc="factor on the learning rate")
    decay_factor: float = field(at_least(0), default=1.0, doc="factor on the weight decay")


def layer_type(entry: Any, blocks: Collection[str] = ()) -> str | None:
    """The type of a list entry: its text, or its one key that is no entry key; None if that is not clear."""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, dict):
        return None
    kinds = [key for key in entry if key not in ENTRY_KEYS]
    known = [key for key in kinds if key in registry.names("layers") or key in blocks]
    return kinds[0] if len(kinds) == 1 else known[0] if len(known) == 1 else None


def layer_names(model: Sequence[Any], blocks: Collection[str] = ()) -> list[str]:
    """What the layers of a list are called: as they say, or by type and running number within the type.

    An entry that is repeated has the name of the first of its layers, and as many numbers as it has layers.
    """
    counts: Counter[str] = Counter()
    names = []
    for entry in model:
        kind = layer_type(entry, blocks) or "layer"
        name = entry.get("name") if isinstance(entry, dict) else None
        names.append(name if isinstance(name, str) else f"{kind}_{counts[kind] + 1}")
        repeat = entry.get("repeat") if isinstance(entry, dict) else 1
        counts[kind] += max(repeat, 1) if type(repeat) is int else 1
    return names


def layer_path(model: Sequence[Any], index: int) -> Path:
    """Where the type of a layer stands, and its options beneath."""
    kind = layer_type(model[index])
    return ("model", index, kind) if kind and isinstance(model[index], dict) else ("model", index)


def read_model(
    model: Any, problems: list[Problem], blocks: Collection[str] = (), *, whole: bool = True
) -> tuple[Node, ...]:
    """Build the nodes of a list without blocks, or add everything that is wrong to `problems`.

    Parameters
    ----------
    model : list
    problems : list of Problem
    blocks : collection of str
        Names that a layer's type may have been meant to be.
    whole : bool
        Whether all layers are there, so that who reads whom can be checked.

    Returns
    -------
    tuple of Node
        In topological order, which is the order of the list wherever that is one; the last entry is the output.
    """
    if not isinstance(model, list) or not model:
        problems.append(Problem(("model",), f"must be a list of layers, found {show(model)}"))
        return ()
    if len(model) > MAX_LAYERS:
        problems.append(Problem(("model",), f"must have at most {MAX_LAYERS:,} layers, found {len(model):,}"))
        return ()
    names = layer_names(model)
    layers = [_layer(entry, ("model", index), problems, blocks) for index, entry in enumerate(model)]
    if not whole:
        return ()
    wiring: list[Problem] = []
    _check_names(model, names, wiring)
    inputs = [_inputs(entry, index, names[index - 1] if index else INPUT, wiring) for index, entry in enumerate(model)]
    order = [] if wiring else _order(model, names, inputs, wiring)
    problems.extend(wiring)
    training = [_training(entry, index, problems) for index, entry in enumerate(model)]
    shares = [_share(model, names, index, problems) for index in range(len(model))]
    for index, share in enumerate(shares):
        if share is not None:
            training[index]["frozen"] = training[names.index(share)]["frozen"]
    return tuple(
        Node(names[index], layer, inputs[index], share=shares[index], **training[index])
        for index in order
        if (layer := layers[index]) is not None
    )


def no_layer(entry: Any) -> str:
    """What is wrong with an entry that is no text and no mapping."""
    return f"must be a layer such as relu or conv2d: {{...}}, found {show(entry)}"


def _layer(entry: Any, path: Path, problems: list[Problem], blocks: Collection[str]) -> Layer | None:
    kind = layer_type(entry)
    if not isinstance(entry, (str, dict)):
        problems.append(Problem(path, no_layer(entry)))
        return None
    keys = [key for key in entry if key not in ENTRY_KEYS] if isinstance(entry, dict) else [entry]
    if kind is None:
        message = f"must have one layer type as a key, found {', '.join(map(show, keys)) or 'none'}"
        problems.append(Problem(path, message))
        return None
    where = (*path, kind) if isinstance(entry, dict) else path
    if kind not in registry.names("layers"):
        message = f"unknown layer {show(kind)}; {suggest(kind, [*blocks, *registry.names('layers')])}"
        problems.append(Problem(where, message, at_key=True))
        return None
    cls = registry.get("layers", kind)
    for key in keys:
        if key in (option.name for option in options(cls)) and key != kind:
            message = f"options of {kind} must be indented below it, found {key!r} beside it"
            problems.append(Problem((*path, key), message, at_key=True))
        elif key != kind:
            message = f"unknown key {show(key)} beside {kind}; {suggest(key, ENTRY_KEYS)}"
            problems.append(Problem((*path, key), message, at_key=True))
    layer: Layer | None = from_mapping(cls, entry[kind] if isinstance(entry, dict) else None, where, problems)
    return layer


def check_name(name: Any, path: Path, problems: list[Problem], *, dots: bool = False) -> bool:
    """Whether something may be a name; a layer's may have dots between the names of blocks, where that is said."""
    if not isinstance(name, str) or not (_NAMES if dots else NAME).fullmatch(name):
        problems.append(Problem(path, f"must be letters, digits and _, not a digit first; found {show(name)}"))
    elif len(name) > LONGEST_NAME:  # without the place, which the name would be shown in
        problems.append(Problem(path[:1], f"a name has at most {LONGEST_NAME} letters, found one of {len(name):,}"))
    else:
        return True
    return False


def _check_names(model: list[Any], names: list[str], problems: list[Problem]) -> None:
    first: dict[str, int] = {}
    for index, (entry, name) in enumerate(zip(model, names, strict=True)):
        given = isinstance(entry, dict) and "name" in entry
        path: Path = ("model", index, "name") if given else ("model", index)
        if given and not check_name(entry["name"], path, problems, dots=True):
            pass
        elif name == INPUT:
            problems.append(Problem(path, f"{INPUT!r} is the name of the network's input"))
        elif name in first:
            problems.append(Problem(path, f"the name {name!r} is taken by entry {first[name]} of the list"))
        first.setdefault(name, index)


def _training(entry: Any, index: int, problems: list[Problem]) -> dict[str, Any]:
    given = {key: entry[key] for key in TRAINING_KEYS if key in entry} if isinstance(entry, dict) else {}
    return to_mapping(from_mapping(Training, given, ("model", index), problems) or Training())


def _share(model: list[Any], names: list[str], index: int, problems: list[Problem]) -> str | None:
    """The node whose tensors an entry works with, None where it has its own."""
    entry = model[index]
    if not isinstance(entry, dict) or "share" not in entry:
        return None
    share, kind, path = entry["share"], layer_type(entry), ("model", index, "share")
    others = [
        name for name, other in zip(names, model, strict=True) if layer_type(other) == kind and other is not entry
    ]
    if not isinstance(share, str):
        message = f"must be the name of a layer, found {show(share)}"
    elif share not in names:
        message = f"there is no layer {show(share)}; {suggest(share, others)}"
    elif share not in others:
        message = f"must be another layer of its type, {kind}; {suggest(share, others)}"
    elif isinstance(owner := model[names.index(share)], dict) and "share" in owner:
        message = f"{share!r} itself shares the weights of {show(owner['share'])}; name that one"
    elif given := [key for key in TRAINING_KEYS if key in entry]:
        message = f"how shared weights are trained is said at {share!r}, found {given[0]} here too"
    else:
        return share
    problems.append(Problem(path, message))
    return None


def _inputs(entry: Any, index: int, previous: str, problems: list[Problem]) -> tuple[str, ...]:
    given = entry.get("inputs", previous) if isinstance(entry, dict) else previous
    inputs = [given] if isinstance(given, str) else given
    path: Path = ("model", index, "inputs") if isinstance(entry, dict) and "inputs" in entry else ("model", index)
    if not isinstance(inputs, list) or not inputs or not all(isinstance(name, str) for name in inputs):
        problems.append(Problem(path, f"must be the name of a layer or a list of names, found {show(given)}"))
        return ()
    if (kind := layer_type(entry)) in registry.names("layers"):
        several = registry.get("layers", kind).several_inputs  # type: ignore[attr-defined]
        if several and len(inputs) == 1:
            problems.append(
                Problem(path, f"{kind} takes several inputs, found {inputs[0]!r} alone; give inputs: [a, b]")
            )
        if not several and len(inputs) > 1:
            message = f"{kind} takes one input, found {show(inputs)}; join them by an add or a concat first"
            problems.append(Problem(path, message))
    return tuple(inputs)


def _order(model: list[Any], names: list[str], inputs: list[tuple[str, ...]], problems: list[Problem]) -> list[int]:
    """Indices in topological order, the smallest that is ready first."""
    position = {name: index for index, name in enumerate(names)}
    for index, sources in enumerate(inputs):
        for number, name in enumerate(sources):
            if name != INPUT and name not in position:
                path: Path = ("model", index, "inputs")
                path = (*path, number) if isinstance(model[index]["inputs"], list) else path
                problems.append(Problem(path, f"there is no layer {show(name)}; {suggest(name, [INPUT, *names])}"))
    if problems:
        return []
    graph = {index: [position[name] for name in inputs[index] if name != INPUT] for index in range(len(model))}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = [names[index] for index in error.args[1]]
        shown = circle if len(circle) <= 12 else [*circle[:8], "...", *circle[-3:]]
        message = f"layers feed each other in a circle: {' -> '.join(shown)}"
        problems.append(Problem(layer_path(model, error.args[1][-1]), message, at_key=True))
        return []
    read = {source for sources in graph.values() for source in sources}
    for index in range(len(model) - 1):
        if index not in read:
            message = f"nobody uses its output; only the last layer of the list, {names[-1]!r}, may end the network"
            problems.append(Problem(layer_path(model, index), message, at_key=True))
    order: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        for index in sorter.get_ready():
            heapq.heappush(ready, index)
        order.append(heapq.heappop(ready))
        sorter.done(order[-1])
    return order
