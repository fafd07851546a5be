"""A run as its config says it: from YAML and overrides to checked, frozen values, and back.

Nothing here touches arrays or opens data. All problems of a config are found before any is reported.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cnncli import registry
from cnncli.blocks import expand, read_blocks
from cnncli.choices import CHOICES
from cnncli.errors import ShapeError
from cnncli.fields import Path, Problem, from_mapping, show, to_mapping
from cnncli.fields import options as declared
from cnncli.layers.base import LayerPlan, Shape
from cnncli.losses.base import Loss
from cnncli.optimizers.base import Optimizer
from cnncli.origin import Origin
from cnncli.registry import closest, suggest
from cnncli.schedules.base import Schedule
from cnncli.sections import DataSpec, Image, Interval, Normalize, TrainSpec
from cnncli.wiring import INPUT, TRAINING_KEYS, Node, layer_names, layer_path, read_model

__all__ = [
    "INPUT", "DataSpec", "Image", "Interval", "Node", "Normalize", "RunSpec", "TrainSpec",
    "from_resolved", "load", "resolved", "trace",
]  # fmt: skip

KEYS = ("data", "blocks", "model", "loss", "optimizer", "schedule", "train")


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides the result of a run. Two are equal if they say the same, wherever they came from."""

    data: DataSpec
    model: tuple[Node, ...]
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    train: TrainSpec
    origin: Origin = dataclasses.field(compare=False, repr=False)
    paths: Mapping[str, Path] = dataclasses.field(compare=False, repr=False)  # of each node in the config

    @property
    def source(self) -> str:
        """Name of the file, or of what else the config came from."""
        return self.origin.source


def load(path: str, overrides: Sequence[str] = ()) -> RunSpec:
    """Read and check a config.

    Parameters
    ----------
    path : str
        A YAML file; relative paths in it start from its folder.
    overrides : sequence of str
        ``KEY=VALUE``; relative paths in them start from the current folder.

    Raises
    ------
    MissingError, IOFailure
        If the file is not there, or cannot be read.
    SpecError
        With a line for every problem.
    """
    from cnncli import yamlio  # slow to import, and a checkpoint's config needs none

    config, marks = yamlio.load(path)
    return _read(config, Origin(path, marks), os.path.dirname(os.path.abspath(path)), overrides)


def from_resolved(mapping: Mapping[str, Any], source: str = "resolved config") -> RunSpec:
    """The spec that `resolved` was made of; `source` names it in messages."""
    return _read(dict(mapping), Origin(source), os.getcwd(), ())


def resolved(spec: RunSpec) -> dict[str, Any]:
    """A spec as plain data with all defaults, to be written as a config or kept in a checkpoint."""
    return {
        "data": to_mapping(spec.data),
        "model": [_model_entry(node, INPUT if i == 0 else spec.model[i - 1].name) for i, node in enumerate(spec.model)],
        "loss": {registry.name_of(spec.loss): to_mapping(spec.loss)},
        "optimizer": {registry.name_of(spec.optimizer): to_mapping(spec.optimizer)},
        "schedule": {registry.name_of(spec.schedule): to_mapping(spec.schedule)},
        "train": to_mapping(spec.train),
    }


def trace(spec: RunSpec, in_shape: Shape, classes: int | None) -> list[LayerPlan]:
    """Plan every layer, for images of a shape.

    Parameters
    ----------
    spec : RunSpec
    in_shape : Shape
    classes : int or None
        What the network's output is checked against, if it is known.

    Returns
    -------
    list of LayerPlan
        One for each node, in the order of ``spec.model``.

    Raises
    ------
    SpecError
        With a line for every layer that does not fit its input, but not for those that depend on it.
    """
    problems: list[Problem] = []
    plans = _trace(spec.model, spec.loss, spec.paths, in_shape, classes, problems)
    if problems:
        raise spec.origin.error(problems)
    return plans


def _trace(
    model: tuple[Node, ...],
    loss: Loss | None,
    paths: Mapping[str, Path],
    in_shape: Shape,
    classes: int | None,
    problems: list[Problem],
) -> list[LayerPlan]:
    shapes = {INPUT: in_shape}
    plans: dict[str, LayerPlan] = {}
    for node in model:
        if all(name in shapes for name in node.inputs):
            try:
                plans[node.name] = node.layer.plan([shapes[name] for name in node.inputs])
                shapes[node.name] = plans[node.name].out_shape
            except ShapeError as error:
                problems.append(Problem(paths[node.name], str(error), at_key=True))
    for node in model:
        if node.share in plans and node.name in plans:
            own, shared = plans[node.name].tensors(), plans[node.share].tensors()
            if own != shared:
                message = f"must have the tensors of {node.share}, {_shapes(shared)}, has {_shapes(own)}"
                problems.append(Problem((*paths[node.name][:2], "share"), message))
    output = model[-1].name
    if loss is not None and output in shapes:
        try:
            loss.plan(shapes[output], classes)
        except ShapeError as error:
            problems.append(Problem(paths[output], str(error), at_key=True))
    return list(plans.values())


def _shapes(tensors: Mapping[str, tuple[Any, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, (shape, _) in tensors.items()) or "none"


# --- from plain data


def _read(config: Any, origin: Origin, folder: str, overrides: Sequence[str]) -> RunSpec:
    """Check everything, and only then report."""
    problems: list[Problem] = []
    config = {} if config is None else config
    if not isinstance(config, dict):
        raise origin.error([Problem((), f"must be a mapping with the keys {', '.join(KEYS)}; found {show(config)}")])
    if overrides:
        from cnncli import overrides as command_line

        origin = dataclasses.replace(origin, overridden=command_line.apply(config, overrides, problems))
    model, before = config.get("model"), len(problems)
    known = read_blocks(config["blocks"], problems) if "blocks" in config else {}
    expansion = expand(model if isinstance(model, list) else [], known, problems)
    whole = len(problems) == before
    entries = expansion.entries
    names = layer_names(entries)
    places = [layer_path(entries, index) for index in range(len(entries))]
    origin = dataclasses.replace(origin, labels=_labels(names, places), sources=expansion.sources)

    for key in config:
        if key not in KEYS:
            problems.append(Problem((key,), f"unknown key {show(key)}; {_suggest(key)}", at_key=True))
    if "model" not in config and not any(closest(str(key), KEYS) == "model" for key in config):
        problems.append(Problem((), "'model' is missing: the list of layers"))
    nodes: tuple[Node, ...] = ()
    if "model" in config and (whole or entries):
        nodes = read_model(entries if isinstance(model, list) else model, problems, known, whole=whole)
    data = from_mapping(DataSpec, config.get("data"), ("data",), problems)
    train = from_mapping(TrainSpec, config.get("train"), ("train",), problems)
    loss, optimizer, schedule = (_choose(config, key, problems) for key in CHOICES)
    paths = dict(zip(names, places, strict=True))
    if data is not None:
        _check_channels(data, problems)
        if data.in_shape is not None and len(nodes) == len(entries) > 0:
            _trace(nodes, loss, paths, data.in_shape, data.class_count, problems)
    if train is not None and len(nodes) == len(entries):
        nodes = _frozen_by_name(nodes, train, problems)
    if problems or data is None or train is None:
        raise origin.error(problems)
    return RunSpec(
        data=_with_absolute_paths(data, folder, origin),
        model=nodes,
        loss=loss,
        optimizer=optimizer,
        schedule=schedule,
        train=train,
        origin=origin,
        paths=paths,
    )


def _suggest(key: str) -> str:
    """What was meant by an unknown key: one that belongs in a section, or what `suggest` finds."""
    for section, kind in (("data", DataSpec), ("train", TrainSpec)):
        if key in (option.name for option in declared(kind)):
            return f"did you mean '{section}.{key}'?"
    return suggest(key, KEYS)


def _frozen_by_name(model: tuple[Node, ...], train: TrainSpec, problems: list[Problem]) -> tuple[Node, ...]:
    """The nodes, those of ``train.freeze`` frozen; every pattern must mean a layer."""
    names = [node.name for node in model]
    patterns: list[tuple[Path, str]] = [(("train", "freeze", i), text) for i, text in enumerate(train.freeze)]
    patterns += [(("train", "groups", i, "match"), group.match) for i, group in enumerate(train.groups)]
    for path, pattern in patterns:
        layer = pattern.rpartition(".")[0] if path[1] == "groups" else ""  # of a parameter
        if not any(fnmatch.fnmatchcase(name, part) for name in names for part in (pattern, layer)):
            problems.append(Problem(path, f"there is no layer {show(pattern)}; {suggest(pattern, names)}"))
    frozen = {node.owner for pattern in train.freeze for node in model if fnmatch.fnmatchcase(node.name, pattern)}
    return tuple(dataclasses.replace(node, frozen=node.frozen or node.owner in frozen) for node in model)


def _labels(names: Sequence[str], places: Sequence[Path]) -> dict[Path, str]:
    """Layers are called by name, as in overrides, unless the name is no name."""
    named = [pair for pair in zip(names, places, strict=True) if pair[0].replace(".", "_").isidentifier()]
    return {place[:length]: f"model.{name}" for name, place in named for length in (2, len(place))}


def _choose(config: Mapping[str, Any], key: str, problems: list[Problem]) -> Any:
    """The object behind ``key: name`` or ``key: {name: {options}}``; None if there is a problem."""
    package, default = CHOICES[key]
    names, get = registry.names(package), partial(registry.get, package)
    value = config.get(key, default)
    entry = {value: None} if isinstance(value, str) else value
    if not isinstance(entry, dict) or not entry:
        problems.append(Problem((key,), f"must be one of {', '.join(names)}, with its options; found {show(value)}"))
        return None
    if len(entry) > 1:
        surplus = next((name for name in entry if name not in names), list(entry)[-1])
        message = f"must have one key, with the options indented below it; found {', '.join(map(show, entry))}"
        problems.append(Problem((key, surplus), message, at_key=True))
        return None
    ((name, options),) = entry.items()
    path: Path = (key,) if isinstance(value, str) else (key, name)
    if name not in names:
        message = f"unknown {key} {show(name)}; {suggest(name, names)}"
        if isinstance(value, dict) and any(name == option.name for other in names for option in declared(get(other))):
            message = f"{name!r} is an option, and belongs below a name, as in {key}: {{{default}: {{{name}: ...}}}}"
        problems.append(Problem(path, message, at_key=name != value))
        return None
    return from_mapping(get(name), options, path, problems)


def _check_channels(data: DataSpec, problems: list[Problem]) -> None:
    """Means and deviations per channel must be as many as there are channels."""
    if not isinstance(data.normalize, Normalize):
        return
    allowed = (1, 3) if data.image is None else (data.image.channels,)
    for key, value in to_mapping(data.normalize).items():
        if isinstance(value, list) and len(value) not in allowed:
            message = (
                f"must be a number, or one for each of {' or '.join(map(str, allowed))} channels; found {show(value)}"
            )
            problems.append(Problem(("data", "normalize", key), message))


def _with_absolute_paths(data: DataSpec, folder: str, origin: Origin) -> DataSpec:
    """Paths start from the config's folder, those of the command line from the current one."""
    changes: dict[str, Any] = {}
    for key in ("train", "validation", "test"):
        value = getattr(data, key)
        if isinstance(value, str):
            base = os.getcwd() if origin.is_overridden(("data", key)) else folder
            changes[key] = os.path.abspath(os.path.join(os.path.realpath(base), value))
    return dataclasses.replace(data, **changes)


def _model_entry(node: Node, before: str) -> dict[str, Any]:
    entry: dict[str, Any] = {registry.name_of(node.layer): to_mapping(node.layer), "name": node.name}
    if node.inputs != (before,):
        entry["inputs"] = node.inputs[0] if len(node.inputs) == 1 else list(node.inputs)
    if node.share is not None:  # trained as the other is
        return entry | {"share": node.share}
    unlike = {key: getattr(node, key) for key in TRAINING_KEYS if getattr(node, key) != getattr(Node, key)}
    return entry | unlike
