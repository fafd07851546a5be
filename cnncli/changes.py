"""Where two resolved configs differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cnncli.choices import CHOICES
from cnncli.wiring import layer_names, layer_type


class Change(NamedTuple):
    """One entry: its key, as an override would name it, and both values; None where it is not there."""

    key: str
    before: Any
    now: Any


def changes(before: Any, now: Any, key: str = "") -> Iterator[Change]:
    """The entries of two configs that differ; layers are compared by name."""
    if before == now:
        return
    if key in CHOICES and before.keys() != now.keys():
        before, now = next(iter(before)), next(iter(now))
    if key == "model":
        before, now = _by_name(before), _by_name(now)
    if isinstance(before, dict) and isinstance(now, dict):
        for inner in dict.fromkeys([*before, *now]):
            yield from changes(before.get(inner), now.get(inner), f"{key}.{inner}" if key else inner)
        return
    yield Change(key, before, now)


def _by_name(model: list[Any]) -> dict[str, Any]:
    """Layers by name; of an entry the type's options, and what stands beside them."""
    found = {}
    for name, entry in zip(layer_names(model), model, strict=True):
        kind = layer_type(entry)
        options = entry[kind] if isinstance(entry, dict) and isinstance(entry[kind], dict) else {}
        beside = {key: value for key, value in entry.items() if key != kind} if isinstance(entry, dict) else {}
        found[name] = {"type": kind, **options, **beside}
    return found
