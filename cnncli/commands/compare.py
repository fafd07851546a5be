"""``cnn compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _decoding, _options, _pictures
from cnncli.commands._console import note, percent, result, result_json, table, warn

if TYPE_CHECKING:
    from cnncli.comparison import Comparison
    from cnncli.model import Model

SIGNIFICANT = 0.05


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@_options.file_path("--data", metavar="PATH", help="Labelled images to compare on, instead of A's test part.")
@_options.file_path(
    "-o", "--output", metavar="OUT.png", callback=_pictures.named(".png"), help="Draw both learning curves."
)
@_options.threads
@_decoding.workers()
@_decoding.no_cache
@_options.as_json
def command(
    first: Path,
    second: Path,
    data: Path | None,
    output: Path | None,
    threads: int | None,
    workers: int | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Compare two trained networks, A and B (checkpoints or run folders), on the same labelled images.

    Which of them is better, and whether that may be chance (McNemar's exact test); where their configs differ; and,
    with -o, their learning curves in one picture.
    """
    from cnncli.commands._part import part_to_test
    from cnncli.comparison import compare, curves
    from cnncli.errors import DataError
    from cnncli.model import Model
    from cnncli.plots import chart
    from cnncli.runs import progress_of

    models = [Model.load(path, threads) for path in (first, second)]
    part = part_to_test(models[0], data, _decoding.reading(models[0].threads, workers, no_cache))
    found = compare(models[0], models[1], part)
    for image in found.skipped:
        warn(f"skipped: {image.reason}")
    if output:
        panels = list(curves([progress_of(model.path, model.meta["progress"])["history"] for model in models]))
        if not panels:
            raise DataError(f"{first} and {second}: no epochs to draw")
        _pictures.save(chart([f"A: {first}", f"B: {second}"], panels, columns=2), output)
        note(f"written to {output}")
    if as_json:
        result_json(_values(models, str(part.path), found))
    else:
        result(_text(models, str(part.path), found))


def _values(models: list[Model], data: str, found: Comparison) -> dict[str, Any]:
    return {
        "a": str(models[0].path),
        "b": str(models[1].path),
        "data": data,
        "images": len(found.first.labels),
        "accuracy_a": found.first.accuracy,
        "accuracy_b": found.second.accuracy,
        "difference": found.second.accuracy - found.first.accuracy,
        "difference_low": found.low,
        "difference_high": found.high,
        "only_a": found.only_first,
        "only_b": found.only_second,
        "p_value": found.p_value,
        "changes": [change._asdict() for change in found.changes],
    }


def _text(models: list[Model], data: str, found: Comparison) -> str:
    from cnncli.fields import show

    rows = []
    for name, model, each, alone in (
        ("A", models[0], found.first, found.only_first),
        ("B", models[1], found.second, found.only_second),
    ):
        low, high = each.interval
        interval = f"{100 * low:.1f}-{100 * high:.1f}"
        rows.append((name, str(model.path), percent(each.accuracy), interval, f"{alone:,}"))
    difference = found.second.accuracy - found.first.accuracy
    lines = [
        f"{len(found.first.labels):,} images of {data}",
        "",
        table(("", "network", "accuracy", "95 % interval", "only it is right"), rows, left=2),
        "",
        f"B is {100 * abs(difference):.1f} points {'better' if difference >= 0 else 'worse'} than A "
        f"(95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f})",
        f"McNemar's exact test: p = {found.p_value:.2g}; {_verdict(found)}",
    ]
    if found.changes:
        shown = [(change.key, *("" if v is None else show(v) for v in change[1:])) for change in found.changes]
        lines += ["", table(("config", "A", "B"), shown, left=3)]
    else:
        lines += ["", "the configs are the same"]
    return "\n".join(lines)


def _verdict(found: Comparison) -> str:
    if found.p_value >= SIGNIFICANT:
        return "that much may well be chance"
    return "hardly chance on these images; another start (train.seed) may differ as much"
