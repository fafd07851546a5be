"""``cnn import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnncli.commands import _options
from cnncli.commands._console import note, result, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cnncli.interchange.weights import Match

DEFAULT = "imported.npz"


@click.command()
@_options.config
@click.argument("weights", type=click.Path(path_type=Path))
@_options.overrides
@_options.file_path(
    "-o", "--output", metavar="FILE", default=DEFAULT, show_default=True, help="The checkpoint to write."
)
@click.option(
    "--map",
    "renamings",
    multiple=True,
    metavar="OLD=NEW",
    help="A tensor's name there and here; * stands for any letters, as in 'layer1.*=residual_1.*'.",
)
@_options.file_path("--map-file", metavar="FILE", help="More of them, one a line.")
@click.option("--in-order", is_flag=True, help="Go by the order of tensors, not by their names.")
@click.option("--partial", is_flag=True, help="Take whatever fits; the rest is drawn anew.")
def command(
    config: str,
    weights: Path,
    overrides: tuple[str, ...],
    output: Path,
    renamings: tuple[str, ...],
    map_file: Path | None,
    in_order: bool,
    partial: bool,
) -> None:
    """Make a checkpoint of CONFIG's network with WEIGHTS from another program.

    WEIGHTS is a .safetensors or .npz file, or the initialisers of an .onnx file. A table says which tensor became
    which; all must fit. Classes and preprocessing are the config's: `data: {classes: [...], normalize: {...}, image:
    {...}}`, or those of its data.
    """
    from cnncli.commands._paths import lines_of
    from cnncli.interchange.imported import Untrained
    from cnncli.interchange.tensors import read
    from cnncli.interchange.weights import match, parse_renaming, taken
    from cnncli.spec import load

    if in_order and (renamings or map_file):
        raise click.UsageError("--in-order does not look at names, so --map has no meaning")
    pairs = [parse_renaming(text) for text in (*renamings, *(lines_of(map_file) if map_file else ()))]
    network = Untrained(load(config, overrides))
    tensors = read(weights)
    found = match(network.graph, tensors, pairs, in_order)
    arrays = taken(str(weights), found, tensors, partial)
    network.save(output, arrays, weights)
    note(_table(found))
    result(f"{len(arrays)} of {len(network.graph.stored_shapes())} tensors from {weights} written to {output}")


def _table(found: Sequence[Match]) -> str:
    from cnncli.texts import shape_text

    rows = [
        (each.name, each.source, each.problem or "matched", shape_text(each.here), shape_text(each.there))
        for each in found
    ]
    return table(("here", "there", "", "shape here", "there"), rows, left=3)
