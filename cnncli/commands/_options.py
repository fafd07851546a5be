"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

MAX_THREADS = 1024  # more than any processor has; OpenMP cannot be asked for what its int does not hold

threads: Decorator = click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    metavar="N",
    help="Threads to compute with; by default all this process may use.",
)
as_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, one object per line.")
overrides: Decorator = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


def batch_size(default: int | None, help: str) -> Decorator:
    """``--batch-size N``."""
    return click.option("--batch-size", type=click.IntRange(min=1), default=default, metavar="N", help=help)


def file_path(*names: str, **settings: Any) -> Decorator:
    """An option that names a file or folder."""
    return click.option(*names, type=click.Path(path_type=Path), **settings)
