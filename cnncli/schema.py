"""The config as JSON Schema (draft-07), made from the declarations that check it, for editors and other programs.

It knows keys, types and ranges. What depends on several entries (shapes, names of layers, numbers of classes) only
`cnncli.spec` checks.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from cnncli import registry
from cnncli.choices import CHOICES
from cnncli.fields import Constraint, Option, Pair, options, plain
from cnncli.sections import DataSpec, TrainSpec
from cnncli.wiring import ENTRY_SCHEMA, MAX_LAYERS, Training

Schema = dict[str, Any]

_SIMPLE: dict[Any, Schema] = {
    int: {"type": "integer", "minimum": 1 - 2**63, "maximum": 2**63 - 1},
    float: {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    types.NoneType: {"type": "null"},
}


def config_schema() -> Schema:
    """The schema of a whole config."""
    beside = {**ENTRY_SCHEMA, **of_class(Training)["properties"]}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Config of cnn",
        **_mapping(
            {
                "data": of_class(DataSpec),
                "blocks": {"type": "object", "additionalProperties": _ref("block")},
                "model": {"type": "array", "minItems": 1, "maxItems": MAX_LAYERS},
                **{key: _entry(choice.package) for key, choice in CHOICES.items()},
                "train": of_class(TrainSpec),
            },
            required=["model"],
        ),
        "if": {"required": ["blocks"]},
        "then": {"properties": {"model": {"items": {"anyOf": [_ref("layer"), _ref("use")]}}}},
        "else": {"properties": {"model": {"items": _ref("layer")}}},
        "definitions": {
            "layer": _entry("layers", beside),
            "augmentation": _entry("augmentations", short=True),
            "block": _block(),
            "use": _use(beside),
        },
    }


def _block() -> Schema:
    """The definition of a block; options of its layers may be arguments, which only the program puts in."""
    layer = {"anyOf": [_ref("layer"), {"type": ["string", "object"]}]}
    arguments = {"description": "with their defaults; required: none", "type": "object"}
    layers = {"type": "array", "minItems": 1, "items": layer}
    return {"description": "a list of layers", **_mapping({"arguments": arguments, "layers": layers}, ["layers"])}


def _use(beside: Schema) -> Schema:
    """A block in the place of a layer."""
    other: Schema = {"not": {"enum": list(registry.names("layers"))}}
    mapping = {"type": "object", "minProperties": 1, "properties": beside, "propertyNames": other}
    return {"anyOf": [{"type": "string", **other}, mapping]}


def of_class(cls: Any) -> Schema:
    """The mapping that a dataclass is read from; nothing will do where no option is required."""
    declared = options(cls)
    required = [option.name for option in declared if option.required]
    schema = _mapping({option.name: of_option(option) for option in declared}, required)
    return {"description": _summary(cls), **schema} | ({} if required else {"type": ["object", "null"]})


def of_option(option: Option) -> Schema:
    """The value of one option, with its documentation."""
    schema: Schema = {"description": option.doc} if option.doc else {}
    schema |= _of_kind(option.kind, option.constraints)
    return schema if option.required else schema | {"default": plain(option.default)}


def _of_kind(kind: Any, constraints: Iterable[Constraint]) -> Schema:
    """The values that a type takes, within the constraints that concern it or its entries."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of_kind(member, constraints) for member in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if kind == Pair:
        return {"anyOf": [_of_kind(int, constraints), _array((int, int), constraints)]}
    if origin in (list, tuple):
        return _array(args, constraints)
    if hasattr(kind, "schema"):
        schema: Schema = kind.schema()
        return schema
    if dataclasses.is_dataclass(kind):
        return of_class(kind)
    return _SIMPLE[kind] | _limits(kind, constraints)


def _array(kinds: tuple[Any, ...], constraints: Iterable[Constraint]) -> Schema:
    """A list of entries of the first type: any number of them, or as many as there are types."""
    count = len(kinds) if kinds[-1] is not ... and len(kinds) > 1 else None
    ends = {} if count is None else {"minItems": count, "maxItems": count}
    return {"type": "array", "items": _of_kind(kinds[0], constraints), **ends, **_limits(list, constraints)}


def _limits(kind: type, constraints: Iterable[Constraint]) -> Schema:
    return {key: value for limit in constraints if kind in limit.kinds for key, value in limit.schema.items()}


def _entry(package: str, beside: Mapping[str, Schema] | None = None, short: bool = False) -> Schema:
    """``name`` or ``name: {options}`` for every entry of a sub-package, with keys that may stand beside it.

    In the short form the value may also be that of the first option alone.
    """
    classes = {name: registry.get(package, name) for name in registry.names(package)}
    bare = [name for name, cls in classes.items() if not any(option.required for option in options(cls))]
    values = {name: of_class(cls) for name, cls in classes.items()}
    if short:
        values = {name: {"anyOf": [schema, of_option(options(classes[name])[0])]} for name, schema in values.items()}
    mapping = _mapping({**values, **(beside or {})})
    one = {"oneOf": [{"required": [name]} for name in classes]} if beside else {"minProperties": 1, "maxProperties": 1}
    return {"anyOf": [{"enum": bare}, mapping | one]}


def _mapping(properties: Schema, required: Iterable[str] = ()) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **needed, "additionalProperties": False}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _summary(cls: type) -> str:
    """The first paragraph of what a class says of itself."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].split())
