"""What all processes of a group but the first have in place of a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.checkpoint import Checkpoint
from cnncli.runs import RunFolder


class Onlooker(RunFolder):
    """A run folder that another process holds and writes: here nothing is written, and nothing read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def close(self) -> None:
        """There is nothing to release."""

    def beat(self) -> None:
        """The first does."""

    def save_checkpoint(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], best: bool) -> None:
        """Leave it to the first."""

    def newest_valid(self) -> tuple[Checkpoint | None, list[str]]:
        """The first knows."""
        return None, []

    def append_epoch(self, row: Mapping[str, Any], health: Mapping[str, Any]) -> None:
        """Leave it to the first."""

    def restore_logs(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Leave it to the first."""

    def append_timing(self, row: Mapping[str, Any]) -> None:
        """Leave it to the first."""

    def log(self, text: str) -> None:
        """Leave it to the first."""

    def write_config(self, text: str) -> None:
        """Leave it to the first."""

    def write_env(self, facts: Mapping[str, Any]) -> None:
        """Leave it to the first."""

    def write_skipped(self, table: bytes) -> None:
        """Leave it to the first."""

    def keep_diverged(self, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
        """Leave it to the first."""
