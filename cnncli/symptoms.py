"""From how a network stands to what is wrong with it: problems, why they are there, and what helps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from cnncli.diagnosis import Diagnosis, Snapshot
from cnncli.health import LayerState

FACTOR = (
    1e-3  # gradients that shrink to this share between last and first layer vanish, those that grow as much explode
)
DEAD = 0.6  # share of a layer's units; deep layers of a fresh network may well have half of them off
SATURATED = 1 / 2
STEP = 0.3  # change of a layer's weights in one step, relative to them
STEEP_ENOUGH = 0.05  # bounds on the product of slopes above this do not explain a vanished gradient


@dataclass(frozen=True)
class Problem:
    """Something that keeps a network from learning.

    Attributes
    ----------
    kind : str
    step : int
        When it was seen.
    layer : str
        Where it is worst.
    text, why, advice : str
    """

    kind: str
    step: int
    layer: str
    text: str
    why: str
    advice: str


def problems(found: Diagnosis) -> list[Problem]:
    """All problems, in order of time."""
    seen = [problem for snapshot in found.snapshots for problem in _of_snapshot(found, snapshot)]
    if found.diverged:
        seen.append(_diverged(found))
    return seen


def _of_snapshot(found: Diagnosis, snapshot: Snapshot) -> Iterator[Problem]:
    weighted = [layer for layer in snapshot.layers if layer.weight is not None and layer.output_gradient is not None]
    if len(weighted) > 1:
        first, last = _gradient(weighted[0]), _gradient(weighted[-1])
        if first < FACTOR * last:
            yield _vanishing(found, snapshot, weighted)
        elif not math.isfinite(first) or first * FACTOR > last:
            yield _exploding(snapshot, weighted)
    yield from unhealthy(snapshot.layers, found.images, snapshot.step)


def unhealthy(layers: Sequence[LayerState], images: int, step: int) -> Iterator[Problem]:
    """What is wrong with single layers, of which so many images have been looked at."""
    worst = max(layers, key=lambda layer: layer.dead or 0.0)
    if worst.dead and worst.dead >= DEAD:
        yield Problem(
            "dead units", step, worst.name,
            f"{100 * worst.dead:.0f} % of the units of {worst.name} are off for all {images} images",
            "a unit that is never on gets no gradient and stays off; large steps or a negative bias bring it there",
            "lower the learning rate, put batch_norm2d before the layer, or use leaky_relu",
        )  # fmt: skip
    worst = max(layers, key=lambda layer: layer.saturated or 0.0)
    if worst.saturated and worst.saturated >= SATURATED:
        yield Problem(
            "saturated units", step, worst.name,
            f"{100 * worst.saturated:.0f} % of the outputs of {worst.name} lie where it is flat",
            "its inputs are large, so almost no gradient passes it",
            "start with smaller weights (init: glorot), normalise the images, or put batch_norm2d before the layer",
        )  # fmt: skip
    worst = max(layers, key=lambda layer: layer.update or 0.0)
    if worst.update and worst.update > STEP:
        yield Problem(
            "large steps", step, worst.name,
            f"one step changes the weights of {worst.name} by {100 * worst.update:.0f} % of their size",
            "about 0.1 % is usual; larger steps destroy what has been learnt",
            "lower the learning rate, or begin with a warm-up: schedule: {cosine: {warmup_epochs: 1}}",
        )  # fmt: skip


def _vanishing(found: Diagnosis, snapshot: Snapshot, weighted: list[LayerState]) -> Problem:
    first, last = weighted[0], weighted[-1]
    share = _gradient(first) / _gradient(last)
    sharpest, after = min(pairwise(weighted), key=lambda pair: _gradient(pair[0]) / (_gradient(pair[1]) or 1.0))
    slopes = [layer for layer in snapshot.layers if layer.slope is not None and found.profiles[layer.name].steepest < 1]
    if found.bound < STEEP_ENOUGH:
        kinds = sorted({layer.type for layer in slopes})
        steepest = max(found.profiles[layer.name].steepest for layer in slopes)
        mean = math.sqrt(sum((layer.slope or 0.0) ** 2 for layer in slopes) / len(slopes))
        why = (
            f"each of the {len(slopes)} {' and '.join(kinds)} layers passes on at most {steepest:.3g} of the gradient "
            f"({mean:.2g} here), together at most {found.bound:.2g}"
        )
        advice = f"use relu instead of {' or '.join(kinds)}, put batch_norm2d before each, or use fewer layers"
    else:
        why = "the slopes of the activations do not explain it, so the weights are too small or units are off"
        advice = "start with larger weights (init: he), put batch_norm2d after each layer with weights, or use fewer"
    return Problem(
        "vanishing gradient", snapshot.step, first.name,
        f"the gradient at {first.name} is {share:.2g} of that at {last.name}; "
        f"most is lost between {after.name} and {sharpest.name}",
        why, advice,
    )  # fmt: skip


def _exploding(snapshot: Snapshot, weighted: list[LayerState]) -> Problem:
    first, last = weighted[0], weighted[-1]
    growth = _gradient(first) / (_gradient(last) or 1.0)
    sharpest, after = max(pairwise(weighted), key=lambda pair: _gradient(pair[0]) / (_gradient(pair[1]) or 1.0))
    return Problem(
        "exploding gradient", snapshot.step, first.name,
        f"the gradient at {first.name} is {growth:.2g} times that at {last.name}; "
        f"it grows most between {after.name} and {sharpest.name}",
        f"the weights of {after.name} are too large (mean {after.weight:.2g})",
        "start with smaller weights (init: he), lower the learning rate, or put batch_norm2d after each weighted layer",
    )  # fmt: skip


def _diverged(found: Diagnosis) -> Problem:
    last = found.snapshots[-1]
    worst = max(last.layers, key=lambda layer: layer.weight_gradient or 0.0)
    return Problem(
        "diverged", found.steps, worst.name, found.diverged,
        f"at the last look the largest gradient was that of {worst.name}'s weights, {worst.weight_gradient or 0.0:.2g}",
        "lower the learning rate, or begin with a warm-up: schedule: {cosine: {warmup_epochs: 1}}",
    )  # fmt: skip


def _gradient(layer: LayerState) -> float:
    return layer.output_gradient or 0.0
