"""``cnn diagnose``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands import _options
from cnncli.commands._console import json_number, note, result, result_json, table

if TYPE_CHECKING:
    from cnncli.diagnosis import Diagnosis, LayerState, Snapshot
    from cnncli.symptoms import Problem

HEADER = ("layer", "type", "|weight|", "gradient", "update", "gradient of output", "slope", "saturated", "dead")


@click.command()
@_options.config
@_options.overrides
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    metavar="N",
    help="Training steps between looks.",
)
@_options.threads
@_options.as_json
def command(config: str, overrides: tuple[str, ...], steps: int, threads: int | None, as_json: bool) -> None:
    """Find out whether CONFIG's network can learn: how gradients pass through it, at the start and after some steps.

    The images are those of the config, or noise where it names none. Nothing is written.
    """
    from cnncli import runtime
    from cnncli.diagnosis import diagnose
    from cnncli.spec import load
    from cnncli.symptoms import problems

    spec = load(config, overrides)
    if spec.data.train is None:
        note(f"{config}: names no data, so noise with random labels is used")
    found = diagnose(spec, runtime.threads(threads), steps)
    seen = problems(found)
    if as_json:
        for line in _values(found, seen):
            result_json(line)
    else:
        result(_text(found, seen))


def _values(found: Diagnosis, seen: list[Problem]) -> list[dict[str, Any]]:
    """A line for each layer and look, one for each problem, and one for the whole."""
    layers = [
        {"step": snapshot.step} | {key: _number(value) for key, value in asdict(layer).items()}
        for snapshot in found.snapshots
        for layer in snapshot.layers
    ]
    whole = {
        "images": found.images,
        "slope_bound": found.bound,
        "losses": {str(snapshot.step): _number(snapshot.loss) for snapshot in found.snapshots},
        "problems": len(seen),
    }
    return [*layers, *({"problem": problem.kind} | _without_kind(problem) for problem in seen), whole]


def _without_kind(problem: Problem) -> dict[str, Any]:
    return {key: value for key, value in asdict(problem).items() if key != "kind"}


def _number(value: Any) -> Any:
    return json_number(value) if isinstance(value, float) else value


def _text(found: Diagnosis, seen: list[Problem]) -> str:
    parts = [f"{found.images} images looked at"]
    for snapshot in found.snapshots:
        parts.append(f"{_when(snapshot.step)}, loss {snapshot.loss:.4f}\n{_layers(snapshot)}")
    if found.profiles:
        parts.append(
            f"slopes: at most {found.bound:.3g} of a gradient passes all activations on the way from output to input"
        )
    for problem in seen:
        parts.append(
            f"{problem.kind} {_when(problem.step)}: {problem.text}\n"
            f"  why: {problem.why}\n"
            f"  what helps: {problem.advice}"
        )
    return "\n\n".join(parts if seen else [*parts, "no problems found"])


def _when(step: int) -> str:
    return f"after {step} steps" if step else "at the start"


def _layers(snapshot: Snapshot) -> str:
    return table(HEADER, [_cells(layer) for layer in snapshot.layers], left=2)


def _cells(layer: LayerState) -> tuple[str, ...]:
    numbers = (layer.weight, layer.weight_gradient, layer.update, layer.output_gradient, layer.slope)
    shares = (layer.saturated, layer.dead)
    return (
        layer.name,
        layer.type,
        *("" if value is None else f"{value:.3g}" for value in numbers),
        *("" if share is None else f"{100 * share:.1f} %" for share in shares),
    )
