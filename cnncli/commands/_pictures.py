"""The pictures that commands write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands._console import result, result_json
from cnncli.commands._options import Decorator, file_path

if TYPE_CHECKING:
    from PIL import Image

    from cnncli.sheets import Section


def named(*suffixes: str) -> Any:
    """A callback that accepts only files with one of these suffixes."""

    def check(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and path.suffix.lower() not in suffixes:
            raise click.BadParameter(f"{str(path)!r} must end in {' or '.join(suffixes)}", context, parameter)
        return path

    return check


def output(default: str) -> Decorator:
    """``-o OUT.png``."""
    return file_path(
        "-o", "--output", metavar="OUT.png", default=default, show_default=True, callback=named(".png"),
        help="Where the picture goes.",
    )  # fmt: skip


def save(picture: Image.Image, path: Path) -> None:
    """Write a PNG file."""
    from cnncli.commands._output import write_output
    from cnncli.sheets import png

    write_output(path, png(picture))


def save_sheet(sections: list[Section], path: Path, remedy: str = "--layer chooses one layer") -> None:
    """Write sections below one another; `remedy` says how they become fewer where they are too many."""
    from cnncli.sheets import sheet

    try:
        picture = sheet(sections)
    except ValueError as error:
        raise click.UsageError(f"{error}; {remedy}") from None
    save(picture, path)


def tell(facts: dict[str, Any], text: str, output: Path, as_json: bool) -> None:
    """Say what was drawn, and where it is."""
    if as_json:
        result_json(facts | {"output": str(output)})
    else:
        result(f"{text}; written to {output}")
