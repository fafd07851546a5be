"""``cnn init``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cnncli.commands import _options
from cnncli.commands._console import note, result

SCHEMA = "cnn.schema.json"  # where `cnn schema -o` is expected to have put it


@click.command()
@click.argument("data", metavar="FOLDER", type=click.Path())
@_options.file_path("-o", "--output", metavar="FILE", help="Write it there; - prints it and writes nothing.")
def command(data: str, output: Path | None) -> None:
    """Look at a data set and print a config that trains on it.

    FOLDER is anything that can be trained on: class folders of images, IDX files, and so on. Without -o the config is
    also kept as cnn.yaml, which `cnn train` and `cnn check` take where no CONFIG is given. No file is ever overwritten.
    """
    from cnncli.commands._output import write_output
    from cnncli.datasets.base import open_data
    from cnncli.errors import OutputError
    from cnncli.starter import starter

    target = Path(_options.CONFIG) if output is None else output
    printed_only = str(target) == "-"
    text = starter(open_data(data), _from(Path() if printed_only else target.parent, data))
    if (target.parent / SCHEMA).is_file() and not printed_only:
        text = f"# yaml-language-server: $schema={SCHEMA}\n{text}"
    if output is None or printed_only:
        result(text.removesuffix("\n"))
    if printed_only:
        return
    if target.is_file() and target.read_bytes() != text.encode():
        raise OutputError(f"{target}: exists and is left as it is; -o FILE writes to another file, -o - only prints")
    write_output(target, text.encode())
    note(f"written to {target}; next: cnn train{'' if output is None else f' {target}'}")


def _from(folder: Path, data: str) -> str:
    """The path of the data from a folder; one that was given whole stays whole, unless it leads into the folder."""
    inner = os.path.relpath(data, folder.resolve())
    return os.path.abspath(data) if os.path.isabs(data) and inner.startswith(os.pardir) else inner
