"""``cnn robust``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _options
from cnncli.commands._console import csv_row, note, on_terminal, result, result_json, table

if TYPE_CHECKING:
    from cnncli.datasets.base import Images
    from cnncli.model import Model
    from cnncli.robustness import Curve

SIGNIFICANT = 0.05


def _split(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """The names in a comma-separated list; all there are without it."""
    from cnncli.registry import suggest
    from cnncli.transforms import TRANSFORMS

    names = tuple(TRANSFORMS) if text is None else tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in TRANSFORMS:
            raise click.BadParameter(f"there is no transform {name!r}; {suggest(name, TRANSFORMS)}", context, parameter)
    return names


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, metavar="CHECKPOINT...", type=click.Path(path_type=Path))
@_options.file_path("--data", metavar="PATH", help="Labelled images, instead of the first run's test part.")
@click.option(
    "--transforms", callback=_split, metavar="NAME,...",
    help="shift_right, shift_down, shift_diagonal, rotation, scale, shear, gaussian_noise, salt_and_pepper, occlusion, "
    "contrast, brightness; all by default.",
)  # fmt: skip
@click.option(
    "--centre", type=click.Choice(("image", "mass")), default="image", show_default=True,
    help="What rotation, scale and shear leave in place: the middle of the image or its centre of mass.",
)  # fmt: skip
@click.option(
    "--background", type=click.FloatRange(0, 1), metavar="SHADE",
    help="What comes in from outside, 0 (black) to 1 (white); by default the median of the images' frames.",
)  # fmt: skip
@_options.file_path("-o", "--output", metavar="DIR", help="Write robust.csv and robust.png to this folder.")
@_options.threads
@_options.as_json
def command(
    checkpoints: tuple[Path, ...],
    data: Path | None,
    transforms: tuple[str, ...],
    centre: Any,
    background: float | None,
    output: Path | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Measure how much accuracy networks keep when their images are shifted, turned, covered or noisy.

    Several CHECKPOINTs, files or run folders, are compared on the same images: * marks where one differs from the first
    (McNemar's exact test, p < 0.05).
    """
    from cnncli.robustness import measure

    models = _load(checkpoints, data, threads)
    if output is not None:
        _make_folder(output)
    curves = []
    for curve in measure(models, transforms, centre, background, _progress):
        curves.append(curve)
        if as_json:
            for row in _rows(curve):
                result_json(row)
            result_json(_summary(curve))
        elif curve.model == models[-1][0]:
            result(_text(curves[-len(models) :]))
    if not as_json:
        result(f"{len(models[0][2]):,} images; percentages, 95 % intervals are in robust.csv (-o DIR) and --json")
    if output is not None:
        _write(curves, [name for name, _, _ in models], output)


def _load(checkpoints: Sequence[Path], data: Path | None, threads: int | None) -> list[tuple[str, Model, Images]]:
    """Every network with the images it is tested on."""
    from cnncli.commands._part import part_to_test
    from cnncli.model import Model

    models = [Model.load(path, threads) for path in checkpoints]
    part = part_to_test(models[0], data)
    names = [str(path) for path in checkpoints]
    if len(set(names)) < len(names):
        raise click.UsageError("the same checkpoint is named twice")
    return [
        (name, model, model.preprocessing.load(part, model.classes)) for name, model in zip(names, models, strict=True)
    ]


def _progress(model: str, transform: str) -> None:
    if on_terminal():
        note(f"{transform}: {model}")


def _rows(curve: Curve) -> Iterator[dict[str, Any]]:
    """A row for each level."""
    for i, level in enumerate(curve.levels):
        low, high = curve.intervals[i]
        yield {
            "model": curve.model,
            "transform": curve.transform,
            "level": level,
            "images": curve.images,
            "accuracy": curve.accuracies[i],
            "accuracy_low": low,
            "accuracy_high": high,
            "retention": curve.retention[i],
            "same_answer": curve.same[i] / curve.images,
            "p_value": None if curve.p_values is None else curve.p_values[i],
        }


def _summary(curve: Curve) -> dict[str, Any]:
    below, above = curve.half_way
    return {
        "model": curve.model,
        "transform": curve.transform,
        "area": curve.area,
        "half_way_below": below,
        "half_way_above": above,
    }


def _text(curves: Sequence[Curve]) -> str:
    """One disturbance: a row for each network, a column for each level."""
    from cnncli.transforms import TRANSFORMS

    first = curves[0]
    header = [f"{first.transform} ({TRANSFORMS[first.transform].unit})", *(f"{x:g} " for x in first.levels)]
    rows = []
    for curve in curves:
        marks = ["*" if p < SIGNIFICANT else " " for p in curve.p_values or [1.0] * len(curve.levels)]
        shares = [f"{100 * share:.1f}{mark}" for share, mark in zip(curve.accuracies, marks, strict=True)]
        half = " and ".join(f"{level:.3g}" for level in curve.half_way if level is not None)
        rows.append([curve.model, *shares, f"{100 * curve.area:.1f}", half or "never"])
    return table([*header, "mean", "half-way at"], rows) + "\n"


def _make_folder(path: Path) -> None:
    from cnncli.files import write_failure

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failure(error, path) from None


def _write(curves: Sequence[Curve], names: Sequence[str], folder: Path) -> None:
    from cnncli.commands._output import write_output
    from cnncli.commands._pictures import save
    from cnncli.plots import Line, Panel, chart
    from cnncli.transforms import TRANSFORMS

    rows = [row | _summary(curve) for curve in curves for row in _rows(curve)]
    lines = [csv_row(rows[0]), *(csv_row("" if cell is None else cell for cell in row.values()) for row in rows)]
    write_output(folder / "robust.csv", ("\n".join(lines) + "\n").encode(errors="surrogateescape"))
    panels = []
    for transform in dict.fromkeys(curve.transform for curve in curves):
        drawn = [
            Line(curve.levels, curve.accuracies, *zip(*curve.intervals, strict=True))
            for curve in curves
            if curve.transform == transform
        ]
        panels.append(Panel(transform.replace("_", " "), TRANSFORMS[transform].unit, drawn))
    save(chart(names, panels), folder / "robust.png")
    note(f"written to {folder / 'robust.csv'} and {folder / 'robust.png'}")
