"""The keys that ``KEY=VALUE`` may set in a config, with what they mean: for completion in a shell."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from cnncli import registry
from cnncli.choices import CHOICES
from cnncli.fields import options
from cnncli.sections import DataSpec, TrainSpec
from cnncli.wiring import ENTRY_SCHEMA, layer_names, layer_type


def keys(config: Any) -> Iterator[tuple[str, str]]:
    """Keys and their documentation, of the optimizer, the layers and so on that the config has.

    What is wrong with the config is passed over: it may be half written.
    """
    config = config if isinstance(config, Mapping) else {}
    yield from _of_class("data", DataSpec)
    yield from _of_class("train", TrainSpec)
    for key, (package, default) in CHOICES.items():
        chosen = config.get(key, default)
        names = [chosen] if isinstance(chosen, str) else list(chosen) if isinstance(chosen, Mapping) else []
        yield key, f"one of {', '.join(registry.names(package))}"
        for name in names:
            if name in registry.names(package):
                yield from _of_class(f"{key}.{name}", registry.get(package, name))
    model = config.get("model")
    model = model if isinstance(model, list) else []
    for entry, name in zip(model, layer_names(model), strict=True):
        kind = layer_type(entry)
        if kind in registry.names("layers"):
            yield from _of_class(f"model.{name}", registry.get("layers", kind))
        yield from ((f"model.{name}.{key}", schema["description"]) for key, schema in ENTRY_SCHEMA.items())


def _of_class(prefix: str, cls: Any) -> Iterator[tuple[str, str]]:
    """The options of a dataclass, and of dataclasses within it."""
    for option in options(cls):
        yield f"{prefix}.{option.name}", option.doc
        for kind in (option.kind, *get_args(option.kind)):
            if dataclasses.is_dataclass(kind) and not hasattr(kind, "accepts"):
                yield from _of_class(f"{prefix}.{option.name}", kind)
