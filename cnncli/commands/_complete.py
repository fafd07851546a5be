"""What a shell offers for arguments: configs, and the keys of the config that was named before."""

from __future__ import annotations

import os
from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

CONFIG = "cnn.yaml"  # of the current folder, where a command is not told another

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def files(*suffixes: str) -> Complete:
    """Completes to files with one of these suffixes, and to folders on the way to them."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        folder, start = os.path.split(incomplete)
        try:
            with os.scandir(folder or ".") as entries:
                found = [(entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(start)]
        except OSError:
            return []
        return [
            CompletionItem(os.path.join(folder, name) + "/" * is_folder)
            for name, is_folder in sorted(found)
            if (is_folder or name.endswith(suffixes)) and (start or not name.startswith("."))
        ]

    return complete


def keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes to ``KEY=`` for the keys of the config that stands before it on the command line."""
    from cnncli import yamlio
    from cnncli.errors import CnnError
    from cnncli.keys import keys as known

    try:
        config, _ = yamlio.load(context.params.get("config") or context.params.get("source") or CONFIG)
    except CnnError:
        config = None
    return [CompletionItem(f"{key}=", help=doc) for key, doc in known(config) if key.startswith(incomplete)]
