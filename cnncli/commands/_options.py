"""Options that several commands have."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from cnncli.commands import _complete
from cnncli.commands._console import note, warn
from cnncli.registry import suggest

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

VIEWS = ("flip", "shift", "five-crop")  # as cnncli.views has them, which need numpy
MAX_THREADS = 1024  # more than any processor has; OpenMP cannot be asked for what its int does not hold

CONFIG = _complete.CONFIG
CONFIGS = (".yaml", ".yml")
_FIRST = "cnncli.first_override"  # the KEY=VALUE that stood where a CONFIG might have


class _Names(click.ParamType):
    """Some of these names, with commas between them."""

    name = "names"

    def __init__(self, known: Sequence[str]) -> None:
        self.known = known

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> tuple[str, ...]:
        names = value if isinstance(value, tuple) else tuple(part.strip() for part in value.split(","))
        for name in names:
            if name not in self.known:
                self.fail(f"unknown {name!r}; {suggest(name, self.known)}", param, context)
        if len(set(names)) < len(names):
            self.fail(f"{value!r} names one twice", param, context)
        return names


def _granted(context: click.Context, parameter: click.Parameter, wanted: int | None) -> int | None:
    """More threads than processors are allowed, but only make it slower."""
    from cnncli import runtime

    if wanted and not context.resilient_parsing and wanted > (granted := runtime.processors()):
        warn(f"--threads {wanted} on {granted} processors: more threads than processors make it slower")
    return wanted


def _config_or_default(context: click.Context, parameter: click.Parameter, given: str | None) -> str:
    if given is not None and "=" in given and not os.path.exists(given):  # `cnn train KEY=VALUE`
        context.meta[_FIRST], given = given, None
    if given is None and not context.resilient_parsing:
        if not os.path.exists(CONFIG):
            raise click.UsageError(f"Missing argument 'CONFIG', and there is no {CONFIG} here; see `cnn init --help`")
        note(f"using {CONFIG}")
    return given or CONFIG


def _with_first(context: click.Context, parameter: click.Parameter, rest: tuple[str, ...]) -> tuple[str, ...]:
    return (context.meta[_FIRST], *rest) if _FIRST in context.meta else rest


config: Decorator = click.argument("config", type=click.Path(), shell_complete=_complete.files(*CONFIGS))
config_or_default: Decorator = click.argument(
    "config",
    type=click.Path(),
    required=False,
    callback=_config_or_default,
    metavar="[CONFIG]",
    shell_complete=_complete.files(*CONFIGS),
)
config_or_checkpoint: Decorator = click.argument(
    "source", metavar="CONFIG_OR_CHECKPOINT", shell_complete=_complete.files(*CONFIGS, ".npz")
)

threads: Decorator = click.option(
    "--threads",
    type=click.IntRange(1, MAX_THREADS),
    callback=_granted,
    metavar="N",
    help="Threads to compute with; by default all this process may use.",
)
as_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, one object per line.")
overrides: Decorator = click.argument(
    "overrides", nargs=-1, callback=_with_first, metavar="[KEY=VALUE]...", shell_complete=_complete.keys
)


views: Decorator = click.option(
    "--tta",
    "views",
    type=_Names(VIEWS),
    default=(),
    metavar="VIEW,...",
    help=f"Test-time augmentation: average over views of each image, of {', '.join(VIEWS)}.",
)


def batch_size(default: int | None, help: str) -> Decorator:
    """``--batch-size N``."""
    return click.option("--batch-size", type=click.IntRange(min=1), default=default, metavar="N", help=help)


def file_path(*names: str, **settings: Any) -> Decorator:
    """An option that names a file or folder."""
    return click.option(*names, type=click.Path(path_type=Path), **settings)
