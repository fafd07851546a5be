"""``KEY=VALUE`` arguments of the command line, applied to a config before it is checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cnncli import yamlio
from cnncli.fields import Path, Problem, show
from cnncli.registry import suggest
from cnncli.wiring import ENTRY_KEYS, layer_names, layer_type


def apply(config: dict[str, Any], overrides: Iterable[str], problems: list[Problem]) -> tuple[Path, ...]:
    """Change `config` in place.

    A key is a path with dots: ``train.epochs``, ``optimizer.sgd.lr``. A layer is found by its name or its index, and
    its options without its type: ``model.c3.out_channels``; one of a block likewise:
    ``blocks.residual.layers.norm.eps``. A value is read as YAML. Whether a key exists is left to
    the check of the whole config; here only ways that lead nowhere are problems.

    Returns
    -------
    tuple of Path
        What was set, as paths in the config; the keys as given where that failed.
    """
    done: list[Path] = []
    for override in overrides:
        key, equals, text = override.partition("=")
        keys = key.split(".")
        try:
            if not equals:
                raise _LeadsNowhere("must look like KEY=VALUE, for example train.epochs=3")
            value, _ = yamlio.parse(text, key)
            path: list[str | int] = []
            _assign(config, path, keys, value)
            done.append(tuple(path))
        except (_LeadsNowhere, yamlio.YamlError) as error:
            reason = error.reason if isinstance(error, yamlio.YamlError) else str(error)
            problems.append(Problem(tuple(keys), reason))
            done.append(tuple(keys))
    return tuple(done)


class _LeadsNowhere(Exception):
    pass


def _assign(data: Any, path: list[str | int], keys: list[str], value: Any) -> Any:
    """`data` with the entry at `keys` set; `path` collects the steps that were taken."""
    if not keys:
        return value
    if isinstance(data, list):
        index, used = _index(data, path, keys)
        path.append(index)
        data[index] = _assign(data[index], path, keys[used:], value)
        return data
    data, key = _as_mapping(data, path, keys[0]), keys[0]
    kind = layer_type(data) if path and _are_layers(path[:-1]) else None
    if kind is not None and key not in (*ENTRY_KEYS, kind):  # an option, named without the layer's type
        keys, key = [kind, *keys], kind
    path.append(key)
    data[key] = _assign(data.get(key), path, keys[1:], value)
    return data


def _are_layers(path: list[str | int]) -> bool:
    return path == ["model"] or (len(path) == 3 and path[0] == "blocks" and path[2] == "layers")


def _index(data: list[Any], path: list[str | int], keys: list[str]) -> tuple[int, int]:
    """Which entry the keys begin with, and how many of them say so: names of layers of blocks have dots."""
    names, key = layer_names(data) if _are_layers(path) else [], keys[0]
    for used in range(len(keys), 0, -1):
        if ".".join(keys[:used]) in names:
            return names.index(".".join(keys[:used])), used
    if key.isdecimal() and len(key) < 10 and int(key) < len(data):
        return int(key), 1
    if names and not key.isdecimal():
        raise _LeadsNowhere(f"there is no layer {show(key)}; {suggest(key, names)}")
    raise _LeadsNowhere(f"there is no entry {show(key)} in a list of {len(data)}, counted from 0")


def _as_mapping(data: Any, path: list[str | int], key: str) -> dict[str, Any]:
    """What a step by key goes into: nothing and a bare name (``optimizer: sgd``) grow into a mapping."""
    if data is None:
        return {}
    if isinstance(data, str) and (len(path) == 1 or _are_layers(path[:-1])):
        return {data: None}
    if not isinstance(data, dict):
        raise _LeadsNowhere(f"{'.'.join(map(str, path))} is {show(data)}, which has no {show(key)} in it")
    return data
