"""``cnn summary``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _options
from cnncli.commands._console import bytes_text, result, result_json, table
from cnncli.texts import shape_text

if TYPE_CHECKING:
    from cnncli.graph import Graph, Summary

SUMMED = ("parameters", "connections", "multiply_adds", "bytes")


@click.command()
@_options.config_or_checkpoint
@_options.overrides
@_options.as_json
def command(source: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show the layers of a config's or a checkpoint's network: shapes, parameters, work and memory for an image.

    Below them, what local connections and shared weights save: the parameters that the same layers would need if every
    unit had weights of its own, and if it saw all inputs besides.
    """
    layers = _graph(source, overrides).summary()
    totals = {key: sum(getattr(layer, key) for layer in layers) for key in SUMMED}
    if as_json:
        for layer in layers:
            result_json(_values(layer))
        result_json({"layers": len(layers)} | totals)
    else:
        header = ("layer", "type", "output", "parameters", "connections", "multiply-adds", "receptive field", "memory")
        *counts, memory = totals.values()
        total = ("total", "", "", *(f"{count:,}" for count in counts), "", bytes_text(memory))
        result(table(header, [*map(_cells, layers), total], left=2))
        saving = [layer for layer in layers if layer.connections < layer.fully_connected]
        if saving:
            rows = [_costs(layer) for layer in saving]
            result("\n" + table(("parameters of", "as it is", "without sharing", "fully connected"), rows))


def _graph(source: str, overrides: tuple[str, ...]) -> Graph:
    path = Path(source)
    if path.is_dir() or path.suffix == ".npz":
        if overrides:
            raise click.UsageError(f"{overrides[0]}: a checkpoint's network cannot be changed, only a config's")
        from cnncli.model import Model

        return Model.load(path).graph
    from cnncli.commands._network import graph_of

    return graph_of(source, overrides)


def _values(layer: Summary) -> dict[str, object]:
    return {
        "name": layer.name,
        "type": layer.type,
        "output": list(layer.output),
        "parameters": layer.parameters,
        "connections": layer.connections,
        "multiply_adds": layer.multiply_adds,
        "fully_connected": layer.fully_connected,
        "receptive_field": list(layer.receptive_field),
    }


def _cells(layer: Summary) -> tuple[str, ...]:
    return (
        layer.name,
        layer.type,
        shape_text(layer.output),
        f"{layer.parameters:,}",
        f"{layer.connections:,}",
        f"{layer.multiply_adds:,}",
        shape_text(layer.receptive_field),
        bytes_text(layer.bytes) if layer.bytes else "in place",
    )


def _costs(layer: Summary) -> tuple[str, ...]:
    """Units with weights of their own have a parameter for each connection."""
    return (layer.name, *(f"{count:,}" for count in (layer.parameters, layer.connections, layer.fully_connected)))
