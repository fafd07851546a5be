"""Where a training stands, and whether it is at its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from cnncli import monitor
from cnncli.health import Pace
from cnncli.sections import TrainSpec


@dataclass
class Progress:
    """Where training stands: everything a resumed run needs besides tensors.

    Attributes
    ----------
    epoch : int
        Epochs finished.
    batch : int
        Batches done of the current epoch.
    step : int
        Steps done in all.
    loss_sum, hits : float, int
        Running sums over the current epoch's images.
    history : list of dict
        One row per finished epoch.
    best_epoch : int or None
        Epoch (from 1) whose validation was best.
    last_step : dict
        What `cnncli.health.pace` says of the last step of an epoch, until the epoch is reported.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    hits: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    last_step: Pace = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def why_finished(settings: TrainSpec, progress: Progress) -> str | None:
    """Why a run that stands so has nothing left to train, if so."""
    if progress.epoch >= settings.epochs:
        return f"{progress.epoch} epochs of {settings.epochs} are done"
    stopping, history = settings.early_stopping, progress.history
    if stopping is None or not history:
        return None
    *_, wait = monitor.epochs_without_progress(history, stopping.monitor, stopping.min_delta)
    if wait < stopping.patience:
        return None
    what = monitor.watched(history[-1], stopping.monitor).replace("_", " ").replace("train ", "training ")
    return f"stopped early: the {what} has made no progress for {wait} epoch{'s' if wait > 1 else ''}"
