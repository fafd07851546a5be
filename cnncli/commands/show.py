"""``cnn show``: pictures of what a network has learnt, what it looks at, and how it is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _options, _pictures, _show_augment, _show_schedule
from cnncli.commands._console import json_number, note, percent, result_json
from cnncli.texts import shape_text

if TYPE_CHECKING:
    import numpy as np

    from cnncli.graph import Graph
    from cnncli.model import Model

checkpoint = click.argument("checkpoint", type=click.Path(path_type=Path))
image_file = click.argument("image", type=click.Path())
one_class = click.option("--class", "label", metavar="NAME", help="The class in question; by default the winning one.")
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
    facts = {"layer": layer, "shape": list(weight.shape), "min": _number(weight.min()), "max": _number(weight.max())}
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
    from cnncli.model import Model
    from cnncli.pictures import map_section, picture_section
    from cnncli.probe import check_layer
    from cnncli.sheets import as_rgb

    model = Model.load(checkpoint)
    for layer in layers:
        check_layer(model.graph, layer)
    pixels = model.decode([image])[0]
    label, score = _winner(model, pixels, None)
    found = {name: values for name, values in feature_maps(model, pixels).items() if not layers or name in layers}
    title = f"{Path(image).name}: {model.classes[label]} ({_score(model, score)})"
    sections = [picture_section(title, {"": as_rgb(pixels)}, 112)]
    _pictures.save_sheet(sections + [map_section(name, values) for name, values in found.items()], output)
    if as_json:
        for name, values in found.items():
            result_json({
                "layer": name, "shape": list(values.shape), "min": _number(values.min()), "max": _number(values.max()),
                "mean": _number(values.mean()), "zero": float((values == 0).mean()),
            })  # fmt: skip
    _pictures.tell({"image": image, "class": model.classes[label], "score": _number(score)}, title, output, as_json)


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


@command.command()
@checkpoint
@image_file
@one_class
@_pictures.output("saliency.png")
@_options.as_json
def saliency(checkpoint: Path, image: str, label: str | None, output: Path, as_json: bool) -> None:
    """How much each pixel of IMAGE moves the output for its class: the magnitude of the gradient."""
    from cnncli import explain
    from cnncli.model import Model
    from cnncli.pictures import overlay_section

    model = Model.load(checkpoint)
    pixels = model.decode([image])[0]
    chosen, score = _winner(model, pixels, label)
    found = explain.saliency(model, pixels, chosen)
    title = f"{Path(image).name}: {model.classes[chosen]} ({_score(model, score)})"
    _pictures.save_sheet([overlay_section(title, pixels, found, "|gradient|")], output)
    facts = {"image": image, "class": model.classes[chosen], "score": _number(score), "max": _number(found.max())}
    _pictures.tell(facts, title, output, as_json)


@command.command()
@checkpoint
@image_file
@one_class
@click.option("--size", type=click.IntRange(min=1), metavar="N", help="Side of the square; a quarter of the image's.")
@click.option("--stride", type=click.IntRange(min=1), metavar="N", help="Its step; a 28th of the image's side.")
@_pictures.output("occlusion.png")
@_options.as_json
def occlusion(
    checkpoint: Path, image: str, label: str | None, size: int | None, stride: int | None, output: Path, as_json: bool
) -> None:
    """How much the score of IMAGE's class falls where a square of mean colour covers it."""
    import numpy as np

    from cnncli import explain
    from cnncli.model import Model
    from cnncli.pictures import overlay_section

    model = Model.load(checkpoint)
    pixels = model.decode([image])[0]
    side = min(pixels.shape[:2])
    size, stride = size or max(1, side // 4), stride or max(1, side // 28)
    if size > side:
        raise click.UsageError(f"--size {size}: the network's images have {shape_text(pixels.shape[:2])} pixels")
    if stride > size:
        raise click.UsageError(f"--stride {stride}: the square of {size} would skip pixels")
    chosen, score = _winner(model, pixels, label)
    found = explain.occlusion(model, pixels, chosen, size, stride)
    row, column = (int(i) for i in np.unravel_index(found.argmin(), found.shape))
    title = f"{Path(image).name}: {model.classes[chosen]} ({_score(model, score)})"
    text = f"{title}; {_score(model, found.min())} with a square of {size} about row {row}, column {column}"
    _pictures.save_sheet([overlay_section(title, pixels, np.maximum(score - found, 0), "fall of the score")], output)
    facts = {
        "image": image, "class": model.classes[chosen], "score": _number(score), "lowest": _number(found.min()),
        "row": row, "column": column, "size": size, "stride": stride,
    }  # fmt: skip
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


def _winner(model: Model, pixels: np.ndarray, label: str | None) -> tuple[int, float]:
    """A class, by default the one with the highest score, and its score."""
    from cnncli.registry import suggest

    if label is not None and label not in model.classes:
        raise click.UsageError(f"--class {label}: there is no such class; {suggest(label, model.classes)}")
    scores = model.scores(pixels[None])[0]
    chosen = int(scores.argmax()) if label is None else model.classes.index(label)
    return chosen, float(scores[chosen])


def _score(model: Model, score: float) -> str:
    return percent(score) if model.probabilities else f"{score:.4g}"


def _number(value: Any) -> float | None:
    return json_number(value)
