"""``cnn bench``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cnncli.commands import _options
from cnncli.commands._console import note, percent, result, result_json, table

if TYPE_CHECKING:
    from cnncli.benchmark import Speed


@click.command()
@_options.config
@_options.overrides
@_options.batch_size(None, "Images per step; by default the config's.")
@_options.threads
@click.option("--seconds", type=click.FloatRange(min=0), default=6.0, show_default=True, help="How long to measure.")
@_options.as_json
def command(
    config: str, overrides: tuple[str, ...], batch_size: int | None, threads: int | None, seconds: float, as_json: bool
) -> None:
    """Measure how fast CONFIG's network trains and runs here, whole and layer by layer, on random images."""
    from cnncli import runtime
    from cnncli.benchmark import measure
    from cnncli.commands._network import graph_of_spec
    from cnncli.spec import load

    spec = load(config, overrides)
    speed = measure(spec, graph_of_spec(spec), batch_size or spec.train.batch_size, runtime.threads(threads), seconds)
    if speed.wasted:
        note(
            f"a batch of {speed.batch_size} wastes {percent(speed.wasted)} of the work: images are computed "
            f"{speed.lanes} at a time, so a multiple of {speed.lanes} is best"
        )
    if as_json:
        result_json(_values(config, speed))
    else:
        result(_text(config, speed))


def _values(config: str, speed: Speed) -> dict[str, object]:
    return {
        "config": config,
        "batch_size": speed.batch_size,
        "threads": speed.threads,
        "variant": speed.variant,
        "train_images_per_s": round(speed.train_images_per_s),
        "eval_images_per_s": round(speed.eval_images_per_s),
        "step_ms": {"median": round(speed.step_ms_median, 4), "min": round(speed.step_ms_min, 4)},
        "layers": [
            {
                "name": layer.name,
                "forward_ms": round(layer.forward_ms, 4),
                "backward_ms": round(layer.backward_ms, 4),
                "gflops": round(layer.gflops, 2),
            }
            for layer in speed.layers
        ],
    }


def _text(config: str, speed: Speed) -> str:
    rows = [
        (each.name, f"{each.forward_ms:.3f}", f"{each.backward_ms:.3f}", f"{each.gflops:.1f}" if each.gflops else "")
        for each in speed.layers
    ]
    return "\n".join(
        [
            f"{config}: batches of {speed.batch_size}, {speed.threads} threads, kernels {speed.variant}",
            "",
            f"training   {speed.train_images_per_s:,.0f} images/s",
            f"inference  {speed.eval_images_per_s:,.0f} images/s",
            f"step       {speed.step_ms_median:.2f} ms median, {speed.step_ms_min:.2f} ms at best",
            "",
            table(("layer", "forward ms", "backward ms", "Gflop/s"), rows),
        ]
    )
