"""What a run takes of memory, disk and time, measured on some of its own steps."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from statistics import median

from cnncli.datasets.base import Images
from cnncli.evaluation import evaluate
from cnncli.experiment import Experiment
from cnncli.training import StepReport

MEASURED = 1.0  # seconds that training steps are measured for
STEPS = 30  # and how many at most
EVALUATED = 512  # images
CHECKPOINTS = 4  # last, last.1, best, and the one that is being written


@dataclass(frozen=True)
class Costs:
    """What `measure` finds.

    Attributes
    ----------
    step_s, epoch_s : float
        Seconds of a step, and of an epoch with its validation.
    memory : int
        Bytes that this process has taken at most so far, data and network and all.
    disk : int
        Bytes of all checkpoints of a run.
    """

    step_s: float
    epoch_s: float
    memory: int
    disk: int


def measure(experiment: Experiment, validation: Images | None) -> Costs:
    """Train for about a second, which changes the experiment's weights, and evaluate some images.

    Raises
    ------
    Diverged
        In these first steps.
    """
    trainer = experiment.trainer
    took: list[float] = []
    reports = trainer.fit()
    end = time.perf_counter() + MEASURED
    while len(took) < 2 or (time.perf_counter() < end and len(took) < STEPS):
        began = time.perf_counter()
        if not isinstance(next(reports, None), StepReport):
            break
        took.append(time.perf_counter() - began)
    step = median(took[1:] or took or [0.0])  # the first one warms the caches
    epoch = step * trainer.steps
    if validation:
        some = validation.images[:EVALUATED]
        began = time.perf_counter()
        evaluate(trainer.network, trainer.preprocessing, some, validation.labels[:EVALUATED])
        epoch += (time.perf_counter() - began) * len(validation) / len(some)
    disk = CHECKPOINTS * sum(array.nbytes for array in experiment.arrays().values())
    return Costs(step, epoch, _peak(), disk)


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
