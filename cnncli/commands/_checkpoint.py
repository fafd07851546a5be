"""The trained network that a command was asked to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cnncli.commands._console import note

if TYPE_CHECKING:
    from cnncli.model import Model


def load_model(checkpoint: Path | None, threads: int | None) -> Model:
    """The network of a checkpoint or run folder; of the newest run, which is then named on stderr."""
    from cnncli import launch
    from cnncli.model import Model

    model = Model.load(checkpoint, launch.threads(threads))
    if checkpoint is None:
        note(f"using {model.path}")
    return model
