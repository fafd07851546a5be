"""``cnn show``: pictures of what a network has learnt, what it looks at, and how it is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _options, _pictures, _show_augment, _show_explanations, _show_schedule
from cnncli.commands._console import json_number, note, result_json
from cnncli.commands._show_explanations import Question, checkpoint, image_file
from cnncli.texts import shape_text

if TYPE_CHECKING:
    import numpy as np

    from cnncli.graph import Graph
    from cnncli.model import Model

RANDOM_IMAGES = 32  # whose gradients are averaged where no image is given


class Unit(click.ParamType):
    """A place on a map, as ``row,column``."""

    name = "r,c"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d+),(\d+)", value)
        if not match:
            self.fail(f"{value!r} is no place on a map; write row,column, such as 3,5", param, context)
        return int(match[1]), int(match[2])


@click.group()
def command() -> None:
    """Draw what a network has learnt, what it looks at, and how it is trained, as PNG pictures."""


command.add_command(_show_augment.command)
command.add_command(_show_schedule.command)
for explanation in _show_explanations.COMMANDS:
    command.add_command(explanation)


@command.command()
@checkpoint
@click.option("--layer", metavar="NAME", help="A layer with kernels; by default the first.")
@_pictures.output("filters.png")
@_options.as_json
def filters(checkpoint: Path, layer: str | None, output: Path, as_json: bool) -> None:
    """All kernels of a layer of CHECKPOINT: a row for each output map, grey is 0."""
    from cnncli.errors import SpecError
    from cnncli.explain import kernels
    from cnncli.model import Model
    from cnncli.pictures import kernel_section
    from cnncli.probe import check_layer

    model = Model.load(checkpoint)
    found = kernels(model.graph, model.arrays)
    if layer is not None:
        check_layer(model.graph, layer)
    if layer not in found:
        if layer is not None or not found:
            raise SpecError(f"layer {layer or model.graph.output!r} has no kernels; with kernels: {', '.join(found)}")
        layer = next(iter(found))
    weight = found[layer]
    section, shown = kernel_section(layer, weight)
    if shown < len(weight):
        note(f"{layer}: the first {shown} of {len(weight)} output maps are drawn")
    _pictures.save_sheet([section], output)
    facts = {
        "layer": layer,
        "shape": list(weight.shape),
        "min": json_number(weight.min()),
        "max": json_number(weight.max()),
    }
    text = f"{layer}: {len(weight)} kernels of {shape_text(weight.shape[1:])}, {weight.min():.4g} to {weight.max():.4g}"
    _pictures.tell(facts, text, output, as_json)


@command.command()
@checkpoint
@image_file
@click.option("--layer", "layers", metavar="NAME", multiple=True, help="Only this layer; may be repeated.")
@_pictures.output("maps.png")
@_options.as_json
def maps(checkpoint: Path, image: str, layers: tuple[str, ...], output: Path, as_json: bool) -> None:
    """What every layer of CHECKPOINT makes of IMAGE."""
    from cnncli.explain import feature_maps
    from cnncli.pictures import map_section, picture_section
    from cnncli.probe import check_layer
    from cnncli.sheets import as_rgb

    about = Question.of(checkpoint, image, None)
    for layer in layers:
        check_layer(about.model.graph, layer)
    maps_of = feature_maps(about.model, about.pixels)
    found = {name: values for name, values in maps_of.items() if not layers or name in layers}
    sections = [picture_section(about.title, {"": as_rgb(about.pixels)}, 112)]
    _pictures.save_sheet(sections + [map_section(name, values) for name, values in found.items()], output)
    if as_json:
        for name, values in found.items():
            lowest, highest, mean = map(json_number, (values.min(), values.max(), values.mean()))
            facts = {"layer": name, "shape": list(values.shape), "min": lowest, "max": highest, "mean": mean}
            result_json(facts | {"zero": float((values == 0).mean())})
    _pictures.tell(about.facts, about.title, output, as_json)


@command.command("receptive-field")
@_options.config_or_checkpoint
@_options.overrides
@click.option("--layer", metavar="NAME", help="By default the last one with maps.")
@click.option("--unit", type=Unit(), metavar="ROW,COLUMN", help="Place on its maps; by default the middle.")
@_options.file_path("--image", metavar="FILE", help="Whose gradient is shown; by default the mean of random images.")
@_pictures.output("receptive-field.png")
@_options.as_json
def receptive_field(
    source: str,
    overrides: tuple[str, ...],
    layer: str | None,
    unit: tuple[int, int] | None,
    image: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """The part of the picture that a unit sees (outlined), and how much each pixel there moves it."""
    import numpy as np

    from cnncli import probe
    from cnncli.pictures import PANEL, picture_section
    from cnncli.sheets import heat, outlined

    graph, arrays, model = _network(source, overrides)
    layer = layer or next((name for name in reversed(graph.plans) if graph.shapes[name][1:] != (1, 1)), graph.output)
    probe.check_layer(graph, layer)
    _, rows, columns = graph.shapes[layer]
    unit = unit or (rows // 2, columns // 2)
    if unit[0] >= rows or unit[1] >= columns:
        raise click.UsageError(f"--unit {unit[0]},{unit[1]}: the maps of {layer} have {rows} rows, {columns} columns")
    canvas, images = _inputs(graph, model, image)
    box = probe.receptive_field(graph, layer, unit)
    support = probe.gradient_support(graph, arrays, layer, unit, images)
    scale = max(1, PANEL // max(support.shape))
    gradient = "gradient" if image else f"gradient, mean of {len(images)} random images"
    panels = {
        f"sees {box[1] - box[0]} x {box[3] - box[2]}": outlined(canvas, box, scale),
        gradient: outlined(heat(np.sqrt(support)), box, scale),
    }
    title = f"{layer}, unit {unit[0]},{unit[1]} of {shape_text(graph.shapes[layer])}"
    _pictures.save_sheet([picture_section(title, panels)], output)
    pixels, used = (box[1] - box[0]) * (box[3] - box[2]), int((support > 0).sum())
    facts = {
        "layer": layer, "unit": list(unit), "rows": list(box[:2]), "columns": list(box[2:]),
        "pixels": pixels, "pixels_used": used,
    }  # fmt: skip
    text = (
        f"{title} sees rows {box[0]} to {box[1] - 1}, columns {box[2]} to {box[3] - 1} of {shape_text(support.shape)}; "
        f"{used:,} of these {pixels:,} pixels move it"
    )
    _pictures.tell(facts, text, output, as_json)


def _network(source: str, overrides: tuple[str, ...]) -> tuple[Graph, Mapping[str, np.ndarray], Model | None]:
    """A checkpoint's network, or a config's as it starts."""
    path = Path(source)
    if path.is_dir() or path.suffix == ".npz":
        if overrides:
            raise click.UsageError(f"{overrides[0]}: a checkpoint's network cannot be changed, only a config's")
        from cnncli.model import Model

        model = Model.load(path)
        return model.graph, model.arrays, model
    from cnncli.commands._network import graph_of_spec
    from cnncli.network import Network
    from cnncli.spec import load

    spec = load(source, overrides)
    network = Network(graph_of_spec(spec), 1, training=False, fused=False)
    network.initialize(spec.train.seed)
    return network.graph, network.arrays(), None


def _inputs(graph: Graph, model: Model | None, image: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """A picture to draw on, and preprocessed images (N, channels, rows, columns) to take gradients of."""
    import numpy as np

    from cnncli import random
    from cnncli.datasets._images import decode_image
    from cnncli.explain import preprocessed

    channels, height, width = graph.in_shape
    if image is None:
        shape = (RANDOM_IMAGES, *graph.in_shape)
        grey = np.full((height, width, 1), 190, np.uint8)
        return grey, random.normal(0, random.stream("receptive-field"), int(np.prod(shape))).reshape(shape)
    canvas = model.preprocessing.decode(image) if model else decode_image(image, (height, width), channels)
    if model:
        return canvas, preprocessed(model, canvas)
    mean, deviation = canvas.mean(axis=(0, 1)), canvas.std(axis=(0, 1)) + 1
    return canvas, np.moveaxis((canvas - mean) / deviation, 2, 0)[np.newaxis]
