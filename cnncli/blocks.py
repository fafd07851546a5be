"""``blocks:`` written out: every use of a block under ``model:`` becomes its layers, with arguments put in.

A block is a name for a list of layers. Inside it, names are its own, `input` is what the block gets, and its last layer
is what it gives. Any entry, layer or block, may be repeated in a chain (``repeat:``) or left out (``when:``); who reads
one that is left out gets its input. What comes out is a plain list of layers, called ``<use>.<layer>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cnncli import registry
from cnncli.calculation import substitute
from cnncli.fields import Path, Problem, show
from cnncli.origin import Source
from cnncli.registry import suggest
from cnncli.wiring import ENTRY_KEYS, INPUT, MAX_LAYERS, check_name, layer_names, layer_type, no_layer

REQUIRED = "required"  # as a default: the argument must be given
KEYS = ("arguments", "layers")
MAX_DEPTH = 20  # of blocks in blocks

_HERE = ("repeat", "when")  # entry keys that are gone when the list is written out
_OWN = (*_HERE, "name", "inputs", "share")  # those that a use does not hand on to its layers as they are


@dataclass
class Expansion:
    """A list of layers without blocks.

    Attributes
    ----------
    entries : list
        As under ``model:``.
    sources : dict of Path to Source
        Where they stand in the config: by ``("model", index)``, and for the problems of this module by
        ``("model", name)``.
    """

    entries: list[Any] = field(default_factory=list)
    sources: dict[Path, Source] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """A list of layers with arguments and their defaults."""

    arguments: Mapping[str, Any]
    layers: list[Any]


def read_blocks(blocks: Any, problems: list[Problem]) -> dict[str, Block | None]:
    """The definitions under ``blocks:``; None for one with problems, so that its uses are none."""
    if not isinstance(blocks, dict):
        problems.append(Problem(("blocks",), f"must be a mapping from names to blocks, found {show(blocks)}"))
        return {}
    found = {}
    for name, block in blocks.items():
        if name in registry.names("layers") or name in (*ENTRY_KEYS, INPUT):
            message = f"{name!r} is the name of a layer or of a key, a block needs one of its own"
            problems.append(Problem(("blocks", name), message, at_key=True))
        elif check_name(name, ("blocks", name), problems):
            before = len(problems)
            definition = _definition(name, block, problems)
            found[name] = definition if len(problems) == before else None
    return found


def _definition(name: str, block: Any, problems: list[Problem]) -> Block:
    path: Path = ("blocks", name)
    if not isinstance(block, dict):
        problems.append(Problem(path, f"must be a mapping with the keys {', '.join(KEYS)}; found {show(block)}"))
        return Block({}, [])
    for key in block:
        if key not in KEYS:
            problems.append(Problem((*path, key), f"unknown key {show(key)}; {suggest(key, KEYS)}", at_key=True))
    arguments, layers = block.get("arguments", {}), block.get("layers")
    if not isinstance(arguments, dict):
        message = f"must be a mapping from names to defaults ({REQUIRED!r} is none), found {show(arguments)}"
        problems.append(Problem((*path, "arguments"), message))
        arguments = {}
    for argument in arguments:
        check_name(argument, (*path, "arguments", argument), problems)
    if not isinstance(layers, list) or not layers:
        problems.append(Problem((*path, "layers"), f"must be a list of layers, found {show(layers)}"))
        layers = []
    return Block(arguments, layers)


def expand(model: list[Any], blocks: Mapping[str, Block | None], problems: list[Problem]) -> Expansion:
    """Write a model out, or add what is wrong with the use of blocks to `problems`.

    Parameters
    ----------
    model : list
        As under ``model:``; what is wrong with its layers is left to `cnncli.wiring`.
    blocks : mapping of str to Block
    """
    if not blocks and not any(isinstance(entry, dict) and not entry.keys().isdisjoint(_HERE) for entry in model):
        return Expansion(model)
    writer = _Writer(blocks, problems)
    try:
        writer.write(_Scope(model, ("model",)))
    except _TooMany:
        problems.append(Problem(("model",), f"must have at most {MAX_LAYERS:,} layers, those of its blocks counted"))
    return writer.finish()


class _TooMany(Exception):
    pass


@dataclass(frozen=True)
class _Scope:
    """A list of entries at the place where it is used."""

    layers: list[Any]
    path: Path  # of the list in the config
    prefix: str = ""  # of the names of its layers
    arguments: Mapping[str, Any] | None = None  # None outside blocks, where $ means nothing
    inherited: Mapping[str, Any] = field(default_factory=dict)  # entry keys of the use
    share: str | None = None  # the use whose tensors these layers share
    used: Path = ()  # the entry of the model that leads here
    within: tuple[str, ...] = ()  # blocks, from the outermost


class _Writer:
    def __init__(self, blocks: Mapping[str, Block | None], problems: list[Problem]) -> None:
        self.blocks = blocks
        self.problems = problems
        self.found = Expansion()
        self.stands_for: dict[str, list[str]] = {}  # of names that are no layers: uses, repetitions, what is left out
        self.visits = 0

    def write(self, scope: _Scope) -> str:
        """Add the layers of a list; the name of what it gives."""
        entries, failed = [], set()
        for index, (raw, name) in enumerate(zip(scope.layers, layer_names(scope.layers, self.blocks), strict=True)):
            here, before = self._here(f"{scope.prefix}{name}", index, scope), len(self.problems)
            entries.append(raw if scope.arguments is None else substitute(raw, scope.arguments, here, self.problems))
            failed |= {index} if len(self.problems) > before else set()
        names = layer_names(entries, self.blocks)
        previous = f"{scope.prefix}{INPUT}"
        for index, entry in enumerate(entries):
            self._visit()
            name = f"{scope.prefix}{names[index]}"
            self.stands_for[name] = [previous]
            previous = name if index in failed else self._entry(entry, index, names, previous, scope)
        return previous

    def _here(self, name: str, index: int, scope: _Scope) -> Path:
        """An entry's place for problems."""
        self.found.sources["model", name] = Source((*scope.path, index), scope.used)
        return ("model", name)

    def _visit(self) -> None:
        self.visits += 1
        if self.visits > MAX_LAYERS:
            raise _TooMany

    def _entry(self, entry: Any, index: int, names: list[str], previous: str, scope: _Scope) -> str:
        """Add one entry as often as it says; the name of the last."""
        local, name = names[index], f"{scope.prefix}{names[index]}"
        here = self._here(name, index, scope)
        entry = {entry: None} if isinstance(entry, str) else entry
        if not isinstance(entry, dict):
            self.problems.append(Problem(here, no_layer(entry)))
            return name
        if local in names[:index]:
            message = f"the name {local!r} is taken by entry {names.index(local)} of the list"
            self.problems.append(Problem((*here, "name"), message))
            return name
        if "name" in entry and not check_name(entry["name"], (*here, "name"), self.problems, dots=not scope.within):
            return name
        entry = dict(scope.inherited) | entry
        inputs = self.stands_for[name] = self._inputs(entry, previous, names, scope, here)
        if isinstance(entry.get("share"), str):
            entry["share"] = f"{scope.prefix}{entry['share']}"
        copies = self._copies(entry, local, here)
        for copy in copies:
            self._visit()
            own: dict[str, Any] = {"name": f"{scope.prefix}{copy}", "inputs": inputs}
            if scope.share is not None:
                own = {"share": f"{scope.share}.{copy}"} | own
            self._one({key: value for key, value in entry.items() if key not in _HERE} | own, index, scope)
            inputs = [own["name"]]
        if copies and local not in copies:
            self.stands_for[name] = inputs
        return inputs[0] if copies else name

    def _inputs(self, entry: dict[str, Any], previous: str, names: list[str], scope: _Scope, here: Path) -> list[str]:
        """Full names of the inputs."""
        if "inputs" not in entry:
            return [previous]
        place = (*here, "inputs")
        given = [entry["inputs"]] if isinstance(entry["inputs"], str) else entry["inputs"]
        if not isinstance(given, list) or not given or not all(isinstance(name, str) for name in given):
            message = f"must be the name of a layer or a list of names, found {show(entry['inputs'])}"
            self.problems.append(Problem(place, message))
            return [previous]
        for number, name in enumerate(given):
            if scope.within and name not in (INPUT, *names):
                message = f"there is no layer {show(name)} in {scope.within[-1]}; {suggest(name, [INPUT, *names])}"
                self.problems.append(Problem((*place, number) if isinstance(entry["inputs"], list) else place, message))
        return [f"{scope.prefix}{name}" for name in given]

    def _copies(self, entry: dict[str, Any], local: str, here: Path) -> list[str]:
        """Names of an entry's repetitions: none if it is left out."""
        when, repeat = entry.get("when", True), entry.get("repeat", 1)
        if not isinstance(when, bool):
            self.problems.append(Problem((*here, "when"), f"must be true or false, found {show(when)}"))
            return []
        if type(repeat) is not int or not 0 <= repeat <= MAX_LAYERS:
            message = f"must be a whole number from 0 to {MAX_LAYERS:,}, found {show(repeat)}"
            self.problems.append(Problem((*here, "repeat"), message))
            return []
        if not when or "repeat" not in entry:
            return [local] if when else []
        base, first = (local, 1) if "name" in entry else (local.rpartition("_")[0], int(local.rpartition("_")[2]))
        return [f"{base}_{first + number}" for number in range(repeat)]

    def _one(self, entry: dict[str, Any], index: int, scope: _Scope) -> None:
        """Add a layer, or the layers of a block."""
        kind, name = layer_type(entry, self.blocks), entry["name"]
        if kind is None or kind not in self.blocks:
            self.stands_for.pop(name, None)
            self._emit(entry, index, scope)
            return
        here, block = self._here(name, index, scope), self.blocks[kind]
        self.stands_for[name] = entry["inputs"]
        if kind in scope.within or len(scope.within) >= MAX_DEPTH:
            chain = " -> ".join((*scope.within, kind))
            message = f"blocks use each other in a circle or deeper than {MAX_DEPTH} levels: {chain}"
            self.problems.append(Problem((*here, kind), message, at_key=True))
            return
        arguments = None if block is None else self._arguments(entry, kind, block.arguments, here)
        if block is not None and arguments is not None:
            self.stands_for[f"{name}.{INPUT}"] = entry["inputs"]
            inner = _Scope(
                layers=block.layers,
                path=("blocks", kind, "layers"),
                prefix=f"{name}.",
                arguments=arguments,
                inherited={key: value for key, value in entry.items() if key in ENTRY_KEYS and key not in _OWN},
                share=entry.get("share"),
                used=scope.used or ("model", index),
                within=(*scope.within, kind),
            )
            self.stands_for[name] = [self.write(inner)]

    def _arguments(
        self, entry: dict[str, Any], kind: str, defaults: Mapping[str, Any], here: Path
    ) -> dict[str, Any] | None:
        """The arguments of a use, with the defaults; None if something is wrong with them."""
        given = {} if entry[kind] is None else entry[kind]
        found: list[Problem] = []
        for key in entry:
            if key in defaults and key != kind and key not in ENTRY_KEYS:
                message = f"arguments of {kind} must be indented below it, found {key!r} beside it"
                found.append(Problem((*here, key), message, at_key=True))
            elif key != kind and key not in ENTRY_KEYS:
                message = f"unknown key {show(key)} beside {kind}; {suggest(key, ENTRY_KEYS)}"
                found.append(Problem((*here, key), message, at_key=True))
        if not isinstance(given, dict):
            names = ", ".join(defaults) or "none"
            message = f"must be a mapping with the arguments of {kind} ({names}), found {show(given)}"
            self.problems.extend([*found, Problem((*here, kind), message)])
            return None
        for key in given:
            if key not in defaults:
                message = f"unknown argument {show(key)} of {kind}; {suggest(key, defaults)}"
                found.append(Problem((*here, kind, key), message, at_key=True))
        for key, value in defaults.items():
            if value == REQUIRED and key not in given:
                found.append(Problem((*here, kind), f"{key!r} is missing: an argument of {kind}", at_key=True))
        self.problems.extend(found)
        return None if found else {**defaults, **given}

    def _emit(self, entry: dict[str, Any], index: int, scope: _Scope) -> None:
        self.found.sources["model", len(self.found.entries)] = Source((*scope.path, index), scope.used)
        self.found.entries.append(entry)

    def finish(self) -> Expansion:
        """With inputs that are layers."""
        for entry in self.found.entries:
            inputs = [layer for name in entry["inputs"] for layer in self._layers(name, ())]
            entry["inputs"] = inputs[0] if len(inputs) == 1 else inputs
        return self.found

    def _layers(self, name: str, seen: tuple[str, ...]) -> list[str]:
        """The layers behind a name."""
        if name not in self.stands_for or name in seen:
            return [name]
        return [layer for other in self.stands_for[name] for layer in self._layers(other, (*seen, name))]
