"""``cnn show saliency, smoothgrad, grad-cam, occlusion``: why a network says what it says of one image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _options, _pictures
from cnncli.commands._console import json_number, percent

if TYPE_CHECKING:
    import numpy as np

    from cnncli.model import Model

checkpoint = click.argument("checkpoint", type=click.Path(path_type=Path))
image_file = click.argument("image", type=click.Path())
one_class = click.option("--class", "label", metavar="NAME", help="The class in question; by default the winning one.")


@dataclass(frozen=True)
class Question:
    """A network, an image as it sees it, and the class that is in question, with its score."""

    model: Model
    image: str
    pixels: np.ndarray
    chosen: int
    score: float

    @classmethod
    def of(cls, checkpoint: Path, image: str, label: str | None) -> Question:
        """By default the class is the one with the highest score."""
        from cnncli.model import Model
        from cnncli.registry import suggest

        model = Model.load(checkpoint)
        pixels = model.decode([image])[0]
        if label is not None and label not in model.classes:
            raise click.UsageError(f"--class {label}: there is no such class; {suggest(label, model.classes)}")
        scores = model.scores(pixels[None])[0]
        chosen = int(scores.argmax()) if label is None else model.classes.index(label)
        return cls(model, image, pixels, chosen, float(scores[chosen]))

    @property
    def name(self) -> str:
        return self.model.classes[self.chosen]

    @property
    def title(self) -> str:
        return f"{Path(self.image).name}: {self.name} ({self.text(self.score)})"

    @property
    def facts(self) -> dict[str, Any]:
        """For scripts."""
        return {"image": self.image, "class": self.name, "score": json_number(self.score)}

    def text(self, score: float) -> str:
        """A score in words."""
        return percent(score) if self.model.probabilities else f"{score:.4g}"

    def draw(self, found: np.ndarray, label: str, output: Path) -> None:
        """Write numbers over the image, with a scale that is called `label`."""
        from cnncli.pictures import overlay_section

        _pictures.save_sheet([overlay_section(self.title, self.pixels, found, label)], output)


@click.command()
@checkpoint
@image_file
@one_class
@_pictures.output("saliency.png")
@_options.as_json
def saliency(checkpoint: Path, image: str, label: str | None, output: Path, as_json: bool) -> None:
    """How much each pixel of IMAGE moves the output for its class: the magnitude of the gradient."""
    from cnncli import explain

    about = Question.of(checkpoint, image, label)
    found = explain.saliency(about.model, about.pixels, about.chosen)
    about.draw(found, "|gradient|", output)
    _pictures.tell(about.facts | {"max": json_number(found.max())}, about.title, output, as_json)


@click.command()
@checkpoint
@image_file
@one_class
@click.option("--samples", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Noisy copies.")
@click.option(
    "--noise", type=click.FloatRange(min=0), default=0.15, show_default=True, metavar="S",
    help="Standard deviation of the noise, as a share of the image's range.",
)  # fmt: skip
@_pictures.output("smoothgrad.png")
@_options.as_json
def smoothgrad(
    checkpoint: Path, image: str, label: str | None, samples: int, noise: float, output: Path, as_json: bool
) -> None:
    """Saliency with less noise: the mean gradient over copies of IMAGE with noise added (SmoothGrad)."""
    from cnncli import explain

    about = Question.of(checkpoint, image, label)
    found = explain.smoothgrad(about.model, about.pixels, about.chosen, samples, noise)
    about.draw(found, f"|mean gradient| of {samples}", output)
    facts = about.facts | {"samples": samples, "noise": noise, "max": json_number(found.max())}
    _pictures.tell(facts, about.title, output, as_json)


@click.command("grad-cam")
@checkpoint
@image_file
@one_class
@click.option("--layer", metavar="NAME", help="Whose maps to look at; by default the last that has some.")
@_pictures.output("grad-cam.png")
@_options.as_json
def grad_cam(checkpoint: Path, image: str, label: str | None, layer: str | None, output: Path, as_json: bool) -> None:
    """Where in IMAGE a layer sees what speaks for its class (Grad-CAM)."""
    import numpy as np

    from cnncli import explain

    about = Question.of(checkpoint, image, label)
    layer = layer or explain.last_maps(about.model.graph)
    found = explain.grad_cam(about.model, about.pixels, about.chosen, layer)
    row, column = (int(i) for i in np.unravel_index(found.argmax(), found.shape))
    about.draw(found, f"evidence in {layer}", output)
    facts = about.facts | {"layer": layer, "max": json_number(found.max()), "row": row, "column": column}
    place = f"most of it in {layer} about row {row}, column {column}"
    if not found.any():
        place = f"nothing in {layer} speaks for it"
    _pictures.tell(facts, f"{about.title}; {place}", output, as_json)


@click.command()
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
    from cnncli.texts import shape_text

    about = Question.of(checkpoint, image, label)
    side = min(about.pixels.shape[:2])
    size, stride = size or max(1, side // 4), stride or max(1, side // 28)
    if size > side:
        raise click.UsageError(f"--size {size}: the network's images have {shape_text(about.pixels.shape[:2])} pixels")
    if stride > size:
        raise click.UsageError(f"--stride {stride}: the square of {size} would skip pixels")
    found = explain.occlusion(about.model, about.pixels, about.chosen, size, stride)
    row, column = (int(i) for i in np.unravel_index(found.argmin(), found.shape))
    text = f"{about.title}; {about.text(found.min())} with a square of {size} about row {row}, column {column}"
    about.draw(np.maximum(about.score - found, 0), "fall of the score", output)
    lowest = {"lowest": json_number(found.min()), "row": row, "column": column, "size": size, "stride": stride}
    _pictures.tell(about.facts | lowest, text, output, as_json)


COMMANDS = (saliency, smoothgrad, grad_cam, occlusion)
