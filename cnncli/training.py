"""The training loop: a generator of reports. It prints nothing and writes no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from cnncli import random
from cnncli.augmenter import Augmenter
from cnncli.datasets.base import Images
from cnncli.errors import Diverged
from cnncli.evaluation import evaluate
from cnncli.loader import Loader
from cnncli.network import Network
from cnncli.optimizers.base import Optimizer, Update
from cnncli.preprocessing import Preprocessing
from cnncli.schedules.base import Schedule
from cnncli.workspace import aligned


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
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    hits: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class StepReport(NamedTuple):
    """After one step: its number, the images of its batch, and their mean loss."""

    step: int
    images: int
    loss: float


@dataclass(frozen=True)
class EpochReport:
    """After one epoch: the row for the logs, and whether it is the best so far."""

    row: dict[str, Any]
    best: bool


class Trainer:
    """Trains a network on images in memory.

    Parameters
    ----------
    network : Network
        Allocated for training, with parameters.
    optimizer, schedule : Optimizer, Schedule
    preprocessing : Preprocessing
    train : Images
    validation : Images or None
    epochs, seed : int
    augmenter : Augmenter, optional
        Of the images in `train`.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        schedule: Schedule,
        preprocessing: Preprocessing,
        train: Images,
        validation: Images | None,
        epochs: int,
        seed: int,
        augmenter: Augmenter | None = None,
    ) -> None:
        self.network, self.optimizer, self.schedule, self.preprocessing = network, optimizer, schedule, preprocessing
        self.train, self.validation, self.epochs, self.seed = train, validation, epochs, seed
        self.loader = Loader(network, preprocessing, train.images, augmenter)
        self.progress = Progress()
        segments = network.segments
        self._update = Update(
            theta=network.theta,
            grad=network.grad,
            slots={name: aligned(network.theta.shape, network.dtype) for name in optimizer.slots()},
            ends=segments.ends,
            rates=segments.rates,
            decays=segments.decays,
            kernels=network.kernels,
            threads=network.threads,
        )
        self.batches = -(-len(train) // network.batch_size)

    def slots(self) -> dict[str, np.ndarray]:
        """The optimizer's tensors by ``<slot>:<layer>.<parameter>``, in the shapes of files."""
        params = self.network.graph.params
        return {name: params[name.partition(":")[2]].dense(view) for name, view in self._slot_views().items()}

    def load_slots(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy the optimizer's tensors in."""
        params = self.network.graph.params
        for name, view in self._slot_views().items():
            view[...] = params[name.partition(":")[2]].ragged(arrays[name])

    def _slot_views(self) -> dict[str, np.ndarray]:
        return {
            f"{slot}:{name}": view
            for slot, vector in self._update.slots.items()
            for name, view in self.network.segments.views(vector).items()
        }

    def fit(self, poll: Callable[[], None] = lambda: None) -> Iterator[StepReport | EpochReport]:
        """Train from where `progress` stands to the last epoch.

        Parameters
        ----------
        poll : callable
            Called between the batches of an evaluation; it may raise to stop.

        Raises
        ------
        Diverged
            The loss is NaN or infinite; parameters are those before the step (after the epoch, for the validation's).
        """
        progress = self.progress
        with closing(self.loader):
            while progress.epoch < self.epochs:
                order = random.permutation(self.seed, random.SHUFFLE, progress.epoch, len(self.train))
                while progress.batch < self.batches:
                    yield self._step(order)
                yield self._finish_epoch(poll)

    def _step(self, order: np.ndarray) -> StepReport:
        network, progress = self.network, self.progress
        first = progress.batch * network.batch_size
        indices = order[first : first + network.batch_size]
        self.loader.fill(progress.epoch, order, first)
        network.set_targets(self.train.labels[indices])
        network.forward(training=True, step=progress.step)
        loss = network.mean_loss()
        if not math.isfinite(loss):
            raise Diverged(
                f"the loss is {loss} in epoch {progress.epoch + 1}, step {progress.step + 1}: training diverged; "
                f"try a lower learning rate (this step's is {self._rate():.3g})"
            )
        network.backward()
        self.optimizer.step(self._update, self._rate(), progress.step + 1)
        progress.hits += network.hits()
        progress.loss_sum += loss * len(indices)
        progress.batch += 1
        progress.step += 1
        return StepReport(progress.step, len(indices), loss)

    def _rate(self) -> float:
        """The learning rate of the next step: the schedule's at the middle of the step."""
        done = self.progress.epoch + (self.progress.batch + 0.5) / self.batches
        return self.optimizer.lr * self.schedule.factor(done, self.epochs)

    @np.errstate(over="ignore", invalid="ignore")  # what diverges is found by its loss
    def _finish_epoch(self, poll: Callable[[], None]) -> EpochReport:
        progress = self.progress
        row: dict[str, Any] = {
            "epoch": progress.epoch + 1,
            "step": progress.step,
            "learning_rate": self._rate(),
            "train_loss": progress.loss_sum / len(self.train),
            "train_accuracy": progress.hits / len(self.train),
        }
        if self.validation is not None:
            found = evaluate(self.network, self.preprocessing, self.validation.images, self.validation.labels, poll)
            if not math.isfinite(found.loss):
                raise Diverged(f"the validation loss is {found.loss} in epoch {progress.epoch + 1}: training diverged")
            row |= {"validation_loss": found.loss, "validation_accuracy": found.accuracy}
        best = progress.best_epoch is None or _better(row, progress.history[progress.best_epoch - 1])
        progress.history.append(row)
        progress.epoch += 1
        progress.batch, progress.loss_sum, progress.hits = 0, 0.0, 0
        if best:
            progress.best_epoch = progress.epoch
        return EpochReport(row, best)


def _better(row: dict[str, Any], best: dict[str, Any]) -> bool:
    """Higher validation accuracy, then lower validation loss; lower training loss where there is no validation."""
    if "validation_accuracy" in row:
        return (row["validation_accuracy"], -row["validation_loss"]) > (
            best["validation_accuracy"],
            -best["validation_loss"],
        )
    return bool(row["train_loss"] < best["train_loss"])
