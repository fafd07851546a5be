"""``cnn show schedule``: the learning rate over the training."""

from __future__ import annotations

from math import nextafter
from pathlib import Path

import click

from cnncli.commands import _options, _pictures
from cnncli.commands._console import note, result, result_json

POINTS = 400  # of the curve
ROWS = 40  # of the table, about


@click.command("schedule")
@_options.config
@_options.overrides
@_pictures.output("schedule.png")
@_options.as_json
def command(config: str, overrides: tuple[str, ...], output: Path, as_json: bool) -> None:
    """The learning rate of CONFIG at the start and end of every epoch, and its curve as a picture."""
    from cnncli.errors import SpecError
    from cnncli.plots import Line, Panel, chart
    from cnncli.registry import name_of
    from cnncli.spec import load

    spec = load(config, overrides)
    schedule, lr, epochs = spec.schedule, spec.optimizer.lr, spec.train.epochs
    if not epochs:
        raise SpecError(f"{config} trains for no epoch: say train.epochs=N after it")
    name = name_of(schedule)
    if name == "plateau":
        note("plateau: its falls follow from the training; shown is the rate of one that always makes progress")
    every = 1 if as_json else -(-epochs // ROWS)
    rows = [
        (epoch, lr * schedule.factor(epoch - 1, epochs), lr * schedule.factor(nextafter(epoch, 0), epochs))
        for epoch in range(1, epochs + 1)
        if (epoch - 1) % every == 0 or epoch == epochs
    ]
    if not as_json:
        result(f"{'epoch':>5}  {'at its start':>12}  {'at its end':>12}")
    for epoch, first, last in rows:
        if as_json:
            result_json({"epoch": epoch, "start": first, "end": last})
        else:
            result(f"{epoch:>5}  {first:>12.4g}  {last:>12.4g}")
    places = [epochs * i / POINTS for i in range(POINTS + 1)]
    factors = [schedule.factor(place, epochs) for place in places]
    curve = Line(places, factors, factors, factors, dots=False)
    label = f"{name}, 100 % is {lr:g}"
    _pictures.save(chart([label], [Panel("learning rate", "epoch", [curve])]), output)
    facts = {"schedule": name, "lr": lr, "epochs": epochs}
    _pictures.tell(facts, f"{name}: learning rate up to {lr * max(factors):.4g} in {epochs} epochs", output, as_json)
