"""Which epochs were better than those before, from the rows of the history alone, so that a resumed run agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def better(row: Row, best: Row) -> bool:
    """Higher validation accuracy, then lower validation loss; lower training loss where there is no validation."""
    if "validation_accuracy" in row:
        return bool(
            (row["validation_accuracy"], -row["validation_loss"])
            > (best["validation_accuracy"], -best["validation_loss"])
        )
    return bool(row["train_loss"] < best["train_loss"])


def watched(row: Row, monitor: str) -> str:
    """The key of a row behind ``loss`` or ``accuracy``: of validation, or of training where there is none."""
    key = f"validation_{monitor}"
    return key if key in row else f"train_{monitor}"


def epochs_without_progress(history: Sequence[Row], monitor: str, min_delta: float) -> Iterator[int]:
    """After each epoch, how many there have been since the last that was better by more than `min_delta`.

    Parameters
    ----------
    history : sequence of mapping
    monitor : {"loss", "accuracy"}
    min_delta : float
    """
    best, wait = None, 0
    for row in history:
        value = row[watched(row, monitor)]
        cost = -value if monitor == "accuracy" else value
        if best is None or cost < best - min_delta:
            best, wait = cost, 0
        else:
            wait += 1
        yield wait
