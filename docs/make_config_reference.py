"""Writes docs/config.md from the declarations of the options: ``python docs/make_config_reference.py``."""

from __future__ import annotations

import inspect
from pathlib import Path

from cnncli import registry
from cnncli.describe import describe
from cnncli.schedules import SCHEDULES
from cnncli.sections import DataSpec, Image, Normalize, TrainSpec

HEAD = """# Config reference

Made from the program's own declarations by `docs/make_config_reference.py`; do not edit.

One YAML file has the sections `data`, `model`, `loss`, `optimizer`, `schedule` and `train`; only `model` must be there.
`KEY=VALUE` on the command line overrides any of it: `train.epochs=3 optimizer.sgd.lr=0.1 model.c3.out_channels=8`.

A layer is `TYPE`, or `TYPE: {options}`, in the list `model`, with an optional `name:` and, where the input is not the
layer before, `inputs:`; `frozen: true` keeps it from being trained and lets it work as in evaluation: a `batch_norm2d`
uses the running averages that it has. A layer without a name is called by its type and running number (`conv2d_1`).
Losses, optimizers and schedules are written the same way: `optimizer: {sgd: {lr: 0.1}}`. A pair is one whole number for
rows and columns, or a list of two.
"""


def section(title: str, cls: type, level: int = 3) -> str:
    """One heading, what the class says of itself, and a table of its options."""
    text = inspect.cleandoc(cls.__doc__ or "")
    lines = [f"{'#' * level} {title}", "", text.split("\n\nReferences\n")[0], ""]
    rows = describe(cls)
    if rows:
        lines += ["| option | type | default | |", "|---|---|---|---|"]
        for row in rows:
            limits = f"; {row.constraint}" if row.constraint else ""
            cells = [f"`{row.name}`", row.type + limits, row.default or "required", row.doc]
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
        lines.append("")
    return "\n".join(lines)


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|")


def reference() -> str:
    """The whole page."""
    parts = [HEAD, "## data\n", section("data", DataSpec), section("data.image", Image)]
    parts += [section("data.normalize", Normalize), "## train\n", section("train", TrainSpec)]
    for package, title in (("layers", "model: layers"), ("losses", "loss"), ("optimizers", "optimizer")):
        parts.append(f"## {title}\n")
        parts += [section(name, registry.get(package, name)) for name in registry.names(package)]
    parts.append("## schedule\n")
    parts += [section(name, cls) for name, cls in SCHEDULES.items()]
    return "\n".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("config.md").write_text(reference(), encoding="utf-8")
