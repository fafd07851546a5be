"""``cnn schema``."""

from __future__ import annotations

from pathlib import Path

import click

from cnncli.commands import _options
from cnncli.commands._console import note, result


@click.command()
@_options.file_path("-o", "--output", metavar="FILE", help="Write it there instead of printing it.")
def command(output: Path | None) -> None:
    """Print the JSON Schema (draft-07) of configs, for editors that complete and check YAML.

    Editors with the YAML language server (VS Code with its YAML extension, Neovim, Emacs ...) use it for a file whose
    first line is `# yaml-language-server: $schema=cnn.schema.json`. `cnn init` writes this line where there is a
    cnn.schema.json beside the config: cnn schema -o cnn.schema.json.
    """
    import json

    from cnncli.schema import config_schema

    text = json.dumps(config_schema(), indent=1, ensure_ascii=False)
    if output is None:
        result(text)
        return
    from cnncli.commands._output import write_output

    write_output(output, f"{text}\n".encode())
    note(f"written to {output}")
