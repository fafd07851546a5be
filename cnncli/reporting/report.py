"""What a report says: everything known of a run, put into the page's template."""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnncli import __version__, yamlio
from cnncli.assessment import Assessment
from cnncli.errors import SpecError
from cnncli.explain import feature_maps, kernels
from cnncli.model import Model
from cnncli.pictures import kernel_section, map_section
from cnncli.runs import progress_of
from cnncli.sheets import as_rgb, enlarged, png, sheet
from cnncli.spec import resolved

NAME = "report.html"
PACKAGES = ("jinja2", "matplotlib")
MATRIX = 30  # classes up to which the whole confusion matrix is shown
SIDE = 112  # pixels: of an image in the gallery, about
LAYERS = 6  # in a chart of health
KERNELS = 64  # shown of the first layer


def available() -> bool:
    """Whether the extra ``cnncli[report]`` is installed."""
    return all(importlib.util.find_spec(package) for package in PACKAGES)


def check() -> None:
    """Make sure that reports can be made; SpecError if not."""
    if not available():
        raise SpecError("reports need jinja2 and matplotlib; pip install 'cnncli[report]'")


@dataclass(frozen=True)
class Picture:
    """An image in the page."""

    source: str
    text: str
    caption: str = ""


def report(model: Model, run: Path | None, found: Assessment | None) -> str:
    """The page.

    Parameters
    ----------
    model : Model
        The run's best network.
    run : Path, optional
        Its folder, for the log and the surroundings; a checkpoint alone has neither.
    found : Assessment, optional
        What it makes of labelled images.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cnncli.reporting", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda share, digits=1: f"{100 * share:.{digits}f} %"
    progress = progress_of(model.path, model.meta["progress"])
    history = progress["history"]
    name = run.name if run else model.path.stem
    page: str = environment.get_template("report.html.j2").render(
        name=name,
        model=model,
        version=__version__,
        history=history,
        best=history[progress["best_epoch"] - 1] if history else None,
        parameters=sum(int(np.prod(param.stored_shape)) for param in model.graph.params.values()),
        curves=_curves(progress),
        it=found,
        matrix=_matrix(found) if found and len(model.classes) <= MATRIX else None,
        calibration=_calibration(found),
        mistakes=[_wrong(found, int(i)) for i in found.mistakes] if found else [],
        suspects=[_wrong(found, int(i)) for i in found.suspects] if found else [],
        filters=_filters(model),
        maps=_maps(model, found) if found and len(found.images) else [],
        health=_health(run),
        config=yamlio.dump(resolved(model.spec)),
        surroundings=_surroundings(run),
        summary=model.graph.summary(),
    )
    return page


def _curves(progress: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Charts with what they show in words."""
    from cnncli.reporting import charts

    history, best = progress["history"], progress["best_epoch"]
    if not history:
        return []
    return [
        (text, charts.curves(history, what, best, text))
        for what, text in (("error", "Error by epoch"), ("loss", "Loss by epoch"))
    ]


def _matrix(found: Assessment) -> list[tuple[str, list[tuple[int, float]]]]:
    """Rows of the confusion matrix: the class, and counts with their share of the row."""
    matrix = found.found.confusion
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return [
        (name, list(zip(counts.tolist(), row.tolist(), strict=True)))
        for name, counts, row in zip(found.model.classes, matrix, shares, strict=True)
    ]


def _calibration(found: Assessment | None) -> str:
    from cnncli.reporting import charts

    if found is None or found.reliability is None:
        return ""
    return charts.calibration(found.reliability, "Answers by probability")


def _wrong(found: Assessment, index: int) -> Picture:
    facts = found.image(index)
    text = f"labelled {facts['label']}, taken for {facts['predicted']} with {100 * facts['probability']:.0f} %"
    if not found.model.probabilities:
        text = f"labelled {facts['label']}, taken for {facts['predicted']}"
    image = as_rgb(found.images.images[index])
    return Picture(_source(enlarged(image, max(1, SIDE // max(image.shape[:2])))), text, Path(facts["path"]).name)


def _filters(model: Model) -> Picture | None:
    """Kernels of the first layer that has some."""
    found = kernels(model.graph, model.arrays)
    if not found:
        return None
    layer, weight = next(iter(found.items()))
    section, _ = kernel_section(layer, weight[:KERNELS])
    return Picture(_source(sheet([section])), f"kernels of {layer}")


def _maps(model: Model, found: Assessment) -> list[Picture]:
    """One image, and what the first two layers with maps make of it."""
    image = found.images.images[0]
    label = model.classes[found.found.labels[0]]
    large = enlarged(as_rgb(image), max(1, 2 * SIDE // max(image.shape[:2])))
    pictures = [Picture(_source(large), f"image of {label}")]
    layers = [item for item in feature_maps(model, image).items() if item[1].shape[1:] != (1, 1)]
    weighted = [item for item in layers if model.graph.plans[item[0]].params and model.graph.plans[item[0]].macs]
    for name, values in weighted[:2]:
        pictures.append(Picture(_source(sheet([map_section(name, values)])), f"maps of {name}"))
    return pictures


def _health(run: Path | None) -> dict[str, Any] | None:
    """The last epoch's numbers of each layer, and charts over all epochs; None where nothing is known."""
    from cnncli.reporting import charts

    rows = _log(run)
    if not rows:
        return None
    epochs, last = [row["epoch"] for row in rows], rows[-1]["health"]
    drawn = []
    for key, text, label, log in (
        ("update", "Relative size of the last step of each epoch", "step / weights", True),
        ("dead", "Units that are off", "off, %", False),
        ("saturated", "Outputs where the activation is flat", "flat, %", False),
    ):
        names = [name for name in last if all(key in row["health"].get(name, {}) for row in rows)]
        lines = _series(rows, names, key, log)
        if lines:
            drawn.append((text, charts.health(epochs, lines, label, text, log)))
    return {"layers": last, "charts": drawn}


def _series(rows: Sequence[Mapping[str, Any]], names: list[str], key: str, log: bool) -> dict[str, list[float]]:
    """Of a few layers: evenly chosen for steps, those with the largest numbers for shares."""
    values = {name: [float(row["health"][name][key]) for row in rows] for name in names}
    if log:
        some = dict.fromkeys(names[i * (len(names) - 1) // (LAYERS - 1)] for i in range(LAYERS) if names)
        return {name: [max(value, 1e-7) for value in values[name]] for name in some}
    worst = sorted((name for name in names if max(values[name]) > 0), key=lambda name: -max(values[name]))
    return {name: [100 * value for value in values[name]] for name in worst[:LAYERS]}


def _log(run: Path | None) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl that tell of layers."""
    try:
        lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines() if run else []
        rows = [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return []
    return [row for row in rows if row.get("health")]


def _surroundings(run: Path | None) -> dict[str, str]:
    try:
        facts = json.loads((run / "env.json").read_text(encoding="utf-8")) if run else {}
    except (OSError, ValueError):
        return {}
    return {key: " ".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in facts.items()}


def _source(picture: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")
