"""Whether training can work at all, tried on a small scale: before a long run, and where a result is too good.

References
----------
Karpathy, "A recipe for training neural networks", 2019 (loss at the start, one batch); Zhang et al., "Understanding
deep learning requires rethinking generalization", 2017 (random labels).
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from cnncli import random
from cnncli.datasets.base import Images
from cnncli.errors import Diverged
from cnncli.evaluation import evaluate
from cnncli.experiment import Experiment
from cnncli.network import Network
from cnncli.registry import get, name_of
from cnncli.sections import TrainSpec
from cnncli.training import StepReport, Trainer

LOOKED_AT = 512  # images that the loss at the start is the mean of
ONE_BATCH, STEPS = 32, 400  # images that must be learnt by heart, and steps for it
ZERO, LEARNT = 0.01, 0.1  # shares of the first loss at which to stop, and that may be left at the end
SHORT = 300  # steps on shuffled labels
PATIENCE = 60.0  # seconds for each of the two
DEVIATIONS = 3.0

Verdict = tuple[Literal["ok", "note", "warning", "error"], str, dict[str, Any]]


def at_start(experiment: Experiment) -> Verdict:
    """The loss before any training, which is ln C where a network of C classes has no opinion yet."""
    train = experiment.trainer.train
    some = np.linspace(0, len(train) - 1, min(LOOKED_AT, len(train))).astype(np.int64)
    loss = evaluate(experiment.network, experiment.preprocessing, train.images[some], train.labels[some]).loss
    values = {"loss": loss if math.isfinite(loss) else None}
    if name_of(experiment.spec.loss) not in ("softmax_cross_entropy", "cross_entropy"):
        return ("ok" if math.isfinite(loss) else "error"), f"a loss of {loss:.4g} before any training", values
    expected = math.log(len(experiment.classes))
    text = (
        f"a loss of {loss:.3f} before any training; no opinion on {len(experiment.classes)} classes is {expected:.3f}"
    )
    values["expected"] = expected
    if not math.isfinite(loss):
        return "error", text, values
    if loss > 2 * expected + 1:
        return (
            "warning",
            f"{text}: it begins with strong wrong opinions; a smaller init in the last layer helps",
            values,
        )
    return "ok", text, values


def one_batch(experiment: Experiment) -> Verdict:
    """Learn a few images by heart: what a network that can learn at all does."""
    train = experiment.trainer.train
    chosen = np.linspace(0, len(train) - 1, min(ONE_BATCH, len(train))).astype(np.int64)
    trainer = _trainer(experiment, _subset(train, chosen), len(chosen))
    losses = []
    hits = 0.0
    end = time.monotonic() + PATIENCE
    try:
        for report in trainer.fit():
            if isinstance(report, StepReport):
                losses.append(report.loss)
                continue
            hits = report.row["train_accuracy"]
            if losses[-1] <= ZERO * losses[0] or len(losses) >= STEPS or time.monotonic() > end:
                break
    except Diverged as error:
        return "error", str(error), {}
    text = f"{len(chosen)} images: the loss goes from {losses[0]:.3f} to {losses[-1]:.3f} in {len(losses)} steps"
    values = {"first": losses[0], "last": losses[-1], "steps": len(losses), "accuracy": hits}
    if losses[-1] <= LEARNT * losses[0]:
        return "ok", text, values
    if hits == 1.0 or losses[-1] <= 0.5 * losses[0]:
        return "note", f"{text}, with {100 * hits:.0f} % right: slow, but it learns", values
    return (
        "error",
        f"{text}: it cannot even learn these by heart; try another learning rate, fewer layers, relu",
        values,
    )


def shuffled_labels(experiment: Experiment, held_out: Images | None) -> Verdict:
    """Train on labels that say nothing, and see whether the true ones of other images are guessed no better than that.

    What is expected if prediction and label are independent is the sum over classes of share of predictions times
    share of labels. A whole class may be taken for one label by chance, so that classes count as few independent
    guesses beside the images.
    """
    classes = len(experiment.classes)
    if held_out is None:
        return "note", "not tried: there is neither a validation nor a test part", {}
    train = experiment.trainer.train
    order = random.permutation(experiment.spec.train.seed, random.stream("shuffled labels"), 0, len(train))
    trainer = _trainer(experiment, replace(train, labels=train.labels[order]), experiment.spec.train.batch_size)
    end = time.monotonic() + PATIENCE
    try:
        for report in trainer.fit():
            if isinstance(report, StepReport) and (report.step >= SHORT or time.monotonic() > end):
                break
    except Diverged as error:
        return "error", str(error), {}
    found = evaluate(trainer.network, trainer.preprocessing, held_out.images, held_out.labels)
    share = found.confusion / found.confusion.sum()
    chance = float(share.sum(axis=0) @ share.sum(axis=1))
    limit = chance + DEVIATIONS * math.sqrt(chance * (1 - chance) * (1 / len(held_out) + 1 / classes))
    steps = trainer.progress.step
    text = f"{100 * found.accuracy:.1f} % of other images right after {steps} steps; chance is {100 * chance:.1f} %"
    values = {"accuracy": found.accuracy, "chance": chance, "limit": limit, "steps": steps}
    if limit >= 1:
        return "note", f"{text}; with {classes} classes this tells little", values
    if found.accuracy > limit:
        return "error", f"{text}: it knows labels that it was not told; the parts must be mixed up", values
    return "ok", text, values


def _subset(images: Images, chosen: np.ndarray) -> Images:
    names = [images.names[int(index)] for index in chosen]
    return Images(images.images[chosen], images.labels[chosen], names, images.classes)


def _trainer(experiment: Experiment, images: Images, batch_size: int) -> Trainer:
    """A new network of the same kind, to be trained on other images at an even rate."""
    spec = experiment.spec
    network = Network(
        experiment.graph, batch_size, training=True, threads=experiment.network.threads, seed=spec.train.seed
    )
    network.initialize(spec.train.seed)
    even = get("schedules", "constant")()
    settings = TrainSpec(epochs=max(STEPS, SHORT), batch_size=batch_size, seed=spec.train.seed)
    return Trainer(network, spec.optimizer, even, experiment.preprocessing, images, None, settings)
