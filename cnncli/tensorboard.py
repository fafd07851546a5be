"""Event files for TensorBoard, of the numbers of every epoch."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnncli.errors import SpecError

FOLDER = "tensorboard"


def check() -> None:
    """Make sure that event files can be written.

    Raises
    ------
    SpecError
        The extra ``cnncli[tensorboard]`` is not installed.
    """
    if importlib.util.find_spec("tensorboardX") is None:
        raise SpecError("train.tensorboard: needs tensorboardX; pip install 'cnncli[tensorboard]', or leave it out")


class EventLog:
    """Writes to the folder ``tensorboard`` of a run; `check` has been asked whether that can be done.

    Parameters
    ----------
    run : Path
    step : int
        Where training stands: what earlier files of the run say of later steps does not count any more.
    """

    def __init__(self, run: Path, step: int) -> None:
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(
            str(run / FOLDER), purge_step=step + 1 if step else None, flush_secs=5, filename_suffix=f".{step}"
        )

    def append(self, row: Mapping[str, Any], health: Mapping[str, Mapping[str, float]]) -> None:
        """The numbers of an epoch and of its layers, at its last step; on the disk some seconds later."""
        for name, value in row.items():
            if name != "step":
                part, _, what = name.partition("_")
                tag = f"{what}/{part}" if part in ("train", "validation") else name
                self._writer.add_scalar(tag, value, row["step"])
        for layer, numbers in health.items():
            for name, value in numbers.items():
                self._writer.add_scalar(f"{name}/{layer}", value, row["step"])

    def close(self) -> None:
        """Write what is not on the disk yet."""
        self._writer.close()
