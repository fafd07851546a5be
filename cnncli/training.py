"""The training loop: a generator of reports. It prints nothing and writes no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np

from cnncli import autopsy, monitor
from cnncli.augmenter import Augmenter
from cnncli.autopsy import Cause
from cnncli.averaging import MovingAverage
from cnncli.clipping import Clipping
from cnncli.datasets.base import Images
from cnncli.errors import Diverged, SpecError
from cnncli.evaluation import evaluate
from cnncli.health import Health, look, pace
from cnncli.loader import Loader
from cnncli.network import Network
from cnncli.optimizers.base import Optimizer, Update
from cnncli.preprocessing import Preprocessing
from cnncli.progress import Progress, why_finished
from cnncli.registry import suggest
from cnncli.sampling import Sampler
from cnncli.schedules.base import Schedule
from cnncli.sections import Group, TrainSpec
from cnncli.workspace import Segments, aligned

RAW = "raw:"  # before the names of weights that a moving average is made of


class StepReport(NamedTuple):
    """After one step: its number, the images of its batch, and their mean loss."""

    step: int
    images: int
    loss: float


@dataclass(frozen=True)
class EpochReport:
    """After one epoch: the row for the logs, whether it is the best so far, and how the layers stand."""

    row: dict[str, Any]
    best: bool
    health: Health


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
    settings : TrainSpec
    augmenter : Augmenter, optional
        Of the images in `train`.
    sampler : Sampler, optional
        Of the images in `train`; shows each once per epoch by default.
    class_weights : ndarray, optional
        Factor on the losses of each class's images.

    Attributes
    ----------
    images_per_step : int
        Of all steps but perhaps the last of an epoch.

    Raises
    ------
    SpecError
        A group of parameters is empty, or nothing is left to train.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        schedule: Schedule,
        preprocessing: Preprocessing,
        train: Images,
        validation: Images | None,
        settings: TrainSpec,
        augmenter: Augmenter | None = None,
        sampler: Sampler | None = None,
        class_weights: np.ndarray | None = None,
    ) -> None:
        self.network, self.optimizer, self.schedule, self.preprocessing = network, optimizer, schedule, preprocessing
        self.train, self.validation, self.settings, self.epochs = train, validation, settings, settings.epochs
        self.loader = Loader(network, preprocessing, train.images, augmenter)
        self._sampler = sampler or Sampler(train.labels, settings.seed)
        self._class_weights = class_weights
        self.progress = Progress()
        segments = network.segments
        rates, decays = _factors(settings.groups, segments)
        self._average = MovingAverage(network, settings.ema) if settings.ema else None
        self._clipping = Clipping(settings.clip, network, rates) if settings.clip else None
        self._update = Update(
            theta=network.theta,
            grad=network.grad if settings.accumulate == 1 else aligned(network.grad.shape, network.dtype),
            slots={name: aligned(network.theta.shape, network.dtype) for name in optimizer.slots()},
            ends=segments.ends,
            rates=rates,
            decays=decays,
            kernels=network.kernels,
            threads=network.threads,
        )
        self.images_per_step = network.shard.batch_size * settings.accumulate
        self.steps = -(-len(train) // self.images_per_step)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that a step changes, in the shapes of files.

        The network's own names mean what is to be used: the moving average where there is one, and the weights that
        training goes on with stand beside it as ``raw:<layer>.<parameter>``. The optimizer's tensors are
        ``<slot>:<layer>.<parameter>``.
        """
        params, own = self.network.graph.params, self.network.arrays()
        slots = {name: params[name.partition(":")[2]].dense(view) for name, view in self._slot_views().items()}
        if self._average is None:
            return own | slots
        return self._average.arrays() | {RAW + name: array for name, array in own.items()} | slots

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy what `arrays` gave in."""
        if self._average:
            self._average.load(arrays)
            arrays = {**arrays, **{name.removeprefix(RAW): a for name, a in arrays.items() if name.startswith(RAW)}}
        self.network.load(arrays)
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
        if self._average and not progress.step:
            self._average.start()
        with closing(self.loader):
            while not self.why_finished():
                order = self._sampler.order(progress.epoch)
                shown = order % len(self.train)
                while progress.batch < self.steps:
                    yield self._step(order, shown)
                yield self._finish_epoch(poll)

    def why_finished(self) -> str | None:
        """Why there is nothing left to train, if so."""
        return why_finished(self.settings, self.progress)

    def _step(self, order: np.ndarray, shown: np.ndarray) -> StepReport:
        progress = self.progress
        first = progress.batch * self.images_per_step
        last = min(first + self.images_per_step, len(order))
        loss_sum = 0.0
        for number, start in enumerate(range(first, last, self.network.shard.batch_size)):
            loss_sum += self._batch(order, shown, start, number)
            if self.settings.accumulate > 1:
                self._add_gradient(number, last - first)
        if self._clipping:
            self._clipping.apply(self._update.grad)
        if not self.network.kernels.update.finite(self._update.grad):
            cause = autopsy.of_gradients(self.network, self._update.grad)
            self._diverge("a gradient is no number", cause, shown, first)
        before = self.network.theta.copy() if progress.batch == self.steps - 1 else None
        self.optimizer.step(self._update, self._rate(), progress.step + 1)
        if before is not None:
            progress.last_step = pace(self.network, before, self._update.grad)
        progress.batch += 1
        progress.step += 1
        if self._average:
            self._average.update(progress.step)
        return StepReport(progress.step, last - first, loss_sum / (last - first))

    def _batch(self, order: np.ndarray, shown: np.ndarray, first: int, number: int) -> float:
        """The gradients of one batch, number so-and-so of its step; returns the sum of its losses."""
        network, progress = self.network, self.progress
        self.loader.fill(progress.epoch, order, shown, first)
        images = min(network.shard.batch_size, len(order) - first)
        own = network.shard.rows(images)
        self._set_targets(shown[first : first + images], first, own)
        network.forward(training=True, step=progress.step * self.settings.accumulate + number)
        loss = network.mean_loss()
        if not math.isfinite(loss):
            self._diverge(f"the loss is {loss}", autopsy.of_outputs(network), shown, first)
        network.backward()
        progress.hits += network.hits()
        progress.loss_sum += loss * images
        return loss * images

    def _diverge(self, what: str, cause: Cause, shown: np.ndarray, first: int) -> NoReturn:
        """End training before the step that would spoil the parameters.

        Raises
        ------
        Diverged
        """
        indices = shown[first : first + self.network.shard.images]
        names = [self.train.names[int(index)] for index in indices]
        progress = self.progress
        raise Diverged(
            f"{what} in epoch {progress.epoch + 1}, step {progress.step + 1}: training diverged; {cause.text(names)}; "
            f"try a lower learning rate (this step's is {self._rate():.3g})"
        )

    def _set_targets(self, indices: np.ndarray, first: int, own: slice) -> None:
        """Tell the network the classes of its `own` part of the batch at place `first` of the epoch's order."""
        labels = self.train.labels[indices]
        if self._class_weights is None and not self.loader.mixes:
            self.network.set_targets(labels[own], whole=len(labels))
            return
        shares = np.zeros((len(labels), len(self.train.classes)))
        shares[np.arange(len(labels)), labels] = 1
        self.loader.mix_targets(first, shares)
        shown = shares.argmax(axis=1)  # what is shown most counts as the class
        if self._class_weights is not None:
            shares *= self._class_weights
        self.network.set_targets(shown[own], shares[own], len(labels))

    def _add_gradient(self, number: int, images: int) -> None:
        """Add a batch's gradient to that of its step, whose loss is that of all its images together."""
        network, loss = self.network, self.network.graph.loss
        network.grad *= loss.weight(images) / loss.weight(network.shard.images)
        if number:
            self._update.grad += network.grad
        else:
            self._update.grad[...] = network.grad

    def _rate(self) -> float:
        """The learning rate of the next step: the schedule's at the middle of the step."""
        done = self.progress.epoch + (self.progress.batch + 0.5) / self.steps
        return self.optimizer.lr * self.schedule.factor(done, self.epochs, self.progress.history)

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
        if (held := self.validation) is not None:
            group = self.network.shard.group
            with self._average.in_use() if self._average else nullcontext():
                found = evaluate(self.network, self.preprocessing, held.images, held.labels, poll, group)
            if not math.isfinite(found.loss):
                raise Diverged(f"the validation loss is {found.loss} in epoch {progress.epoch + 1}: training diverged")
            row |= {"validation_loss": found.loss, "validation_accuracy": found.accuracy}
        health = look(self.network, self.preprocessing, self.train, progress.last_step)
        best = progress.best_epoch is None or monitor.better(row, progress.history[progress.best_epoch - 1])
        progress.history.append(row)
        progress.epoch += 1
        progress.batch, progress.loss_sum, progress.hits, progress.last_step = 0, 0.0, 0, {}
        if best:
            progress.best_epoch = progress.epoch
        return EpochReport(row, best, health)


def _factors(groups: Sequence[Group], segments: Segments) -> tuple[np.ndarray, np.ndarray]:
    """Of each tensor, on learning rate and weight decay."""
    rates, decays = segments.rates.copy(), segments.decays.copy()
    for group in groups:
        concerned = [i for i, name in enumerate(segments.params) if group.concerns(name)]
        if not concerned:
            raise SpecError(
                f"train.groups: {group.match!r} means no parameter; {suggest(group.match, segments.params)}"
            )
        rates[concerned] *= group.lr_factor
        decays[concerned] *= group.decay_factor
    if segments.size and not rates.any():
        raise SpecError("there is nothing to train: all parameters are frozen or have lr_factor 0")
    return rates, decays
