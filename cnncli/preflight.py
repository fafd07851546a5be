"""What can be known of a run before it is trained: data, labels, duplicates, memory, disk and time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cnncli import duplicates, runtime, sanity
from cnncli.costs import measure
from cnncli.datasets._decoded import Skipped
from cnncli.datasets._file_set import FileSet
from cnncli.datasets._files import listing
from cnncli.datasets._reading import Reading
from cnncli.datasets.base import Dataset, Images
from cnncli.errors import CheckFailed, CnnError, Diverged, SpecError
from cnncli.experiment import Experiment
from cnncli.graph import Graph
from cnncli.parts import Parts
from cnncli.preprocessing import full_scale
from cnncli.spec import RunSpec, trace

UNEVEN = 10  # times as many images in the largest class as in the smallest are worth a warning
LEAK = 0.01  # share of a part that may be in another one
LISTED = 100  # pairs, in JSON

Level = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    about : str
        A word for it: ``data``, ``classes``, ``duplicates`` ...
    level : {"ok", "note", "warning", "error"}
        An error means that training would fail or its result be wrong.
    text : str
    values : dict
        The numbers in the text.
    exit_code : int
        What an error ends the command with.
    """

    about: str
    level: Level
    text: str
    values: dict[str, Any] = field(default_factory=dict)
    exit_code: int = CheckFailed.exit_code


def check(spec: RunSpec, threads: int, train: bool, folder: Path, reading: Reading | None = None) -> Iterator[Finding]:
    """Look at a config and its data as training would; the first error that nothing can follow ends it.

    Parameters
    ----------
    spec : RunSpec
    threads : int
    train : bool
        Whether to train a little too, to see if the network can learn at all (`cnncli.sanity`).
    folder : Path
        Where runs would be written.
    reading : Reading, optional
        How images are decoded.
    """
    try:
        parts = Parts.open(spec.data, reading)
        trace(spec, (parts.channels, *parts.size), len(parts.classes))
    except CnnError as error:
        yield _failed("data", error)
        return
    graph = Graph(spec.model, (parts.channels, *parts.size), spec.loss)
    parameters = sum(int(np.prod(param.shape)) for param in graph.params.values())
    yield Finding("config", "ok", f"{len(spec.model)} layers, {parameters:,} parameters", {"parameters": parameters})
    if (needed := _estimate(spec, parts, graph, parameters)) > (limit := runtime.memory_limit()):
        text = f"about {needed / 1e9:,.1f} GB are needed, and {limit / 1e9:,.1f} GB may be used"
        yield Finding("memory", "error", text, {"bytes": needed}, SpecError.exit_code)
        return
    failures, experiment, test = [], None, None
    try:
        experiment = Experiment(spec, threads, reading=reading)
    except CnnError as error:
        failures.append(_failed("data", error))
    try:
        test = parts.load_test()
    except CnnError as error:
        failures.append(_failed("data", error))
    yield from failures
    if experiment is None or failures:
        return
    found = {"train": experiment.trainer.train, "validation": experiment.trainer.validation, "test": test}
    images = {name: part for name, part in found.items() if part is not None}
    yield _sizes(parts, images)
    yield from _skipped([*experiment.parts.skipped, *parts.skipped])
    yield from _classes(images)
    yield from _pixels(images)
    yield from _duplicates(images)
    starting = sanity.at_start(experiment)
    yield from _costs(experiment, images, folder)
    if train:
        yield Finding("start", *starting)
        yield Finding("one batch", *sanity.one_batch(experiment))
        yield Finding("shuffled labels", *sanity.shuffled_labels(experiment, images.get("validation", test)))


def _failed(about: str, error: CnnError) -> Finding:
    return Finding(about, "error", str(error), {}, error.exit_code)


def _estimate(spec: RunSpec, parts: Parts, graph: Graph, parameters: int) -> int:
    """Bytes of images, weights, maps and gradients, roughly, before any of it is there."""
    sets = [part for part in (parts.train, parts.validation, parts.test) if isinstance(part, Dataset)]
    # what is mapped from the cache need not fit the memory
    sets = [part for part in sets if not (isinstance(part, FileSet) and part.reading.cache)]
    count = sum(map(len, sets))
    maps = sum(layer.bytes for layer in graph.summary())
    pixels = count * parts.channels * parts.size[0] * parts.size[1]
    vectors = 2 + len(spec.optimizer.slots()) + (spec.train.accumulate > 1) + (spec.train.ema is not None)
    return pixels + 4 * parameters * vectors + 2 * maps * spec.train.batch_size


def _skipped(skipped: Sequence[tuple[str, Skipped]]) -> Iterator[Finding]:
    if skipped:
        reasons = [f"left out of {part}: {image.reason}" for part, image in skipped]
        yield Finding("data", "warning", listing(reasons, "images left out"), {"left_out": len(skipped)})


def _sizes(parts: Parts, images: dict[str, Images]) -> Finding:
    counts = {name: len(part) for name, part in images.items()}
    words = {"train": "for training", "validation": "for validation", "test": "for testing"}
    listed = ", ".join(f"{count:,} {words[name]}" for name, count in counts.items())
    size = f"{parts.size[0]}x{parts.size[1]}, {parts.channels} channel{'s' if parts.channels > 1 else ''}"
    values = {"images": counts, "size": list(parts.size), "channels": parts.channels}
    missing = [name for name in ("validation", "test") if name not in counts]
    text = f"every image can be read: {listed}; {size}"
    if "validation" in missing:
        return Finding(
            "data", "note", f"{text}; no validation part: the best epoch is that of least training loss", values
        )
    return Finding("data", "ok", text + ("; no test part" if missing else ""), values)


def _classes(images: dict[str, Images]) -> Iterator[Finding]:
    names = images["train"].classes
    counts = {part: np.bincount(each.labels, minlength=len(names)) for part, each in images.items()}
    of_train = counts["train"]
    values: dict[str, Any] = {
        "classes": [
            {"name": name, **{part: int(count[index]) for part, count in counts.items()}}
            for index, name in enumerate(names)
        ]
    }
    for part, count in counts.items():
        absent = [names[index] for index in np.flatnonzero(count == 0)]
        if absent:
            text = f"no {part} image of {_few(absent)}"
            yield Finding("classes", "error" if part == "train" else "warning", text, {"part": part, "absent": absent})
    few, many = names[of_train.argmin()], names[of_train.argmax()]
    if of_train.min() == of_train.max():
        text = f"{len(names)} classes of {of_train.max():,} training images each"
    else:
        share = of_train.max() / of_train.sum()
        text = (
            f"{len(names)} classes of {of_train.min():,} ({few}) to {of_train.max():,} ({many}) training images; "
            f"always saying {many} is right for {100 * share:.1f} % of them"
        )
    uneven = of_train.max() > UNEVEN * max(1, of_train.min())
    yield Finding("classes", "warning" if uneven else "ok", text, values)


def _pixels(images: dict[str, Images]) -> Iterator[Finding]:
    """Images without any contrast, and a range that uses next to nothing of what its type allows."""
    fine = True
    for name, part in images.items():
        flat = part.images.reshape(len(part), -1)
        blank = np.flatnonzero(flat.min(axis=1) == flat.max(axis=1))
        if len(blank):
            fine = False
            text = f"{len(blank):,} {name} images of one colour, such as {part.names[int(blank[0])]}"
            yield Finding("pixels", "warning", text, {"part": name, "blank": len(blank)})
    brightest, white = images["train"].images.max(), _white(images["train"].images)
    if brightest < 0.1 * white:
        text = (
            f"the brightest pixel is {brightest:g} of {white:g}: almost black; are the numbers scaled as they should?"
        )
        yield Finding("pixels", "warning", text, {"brightest": float(brightest)})
    elif fine:
        yield Finding("pixels", "ok", "no blank images, the range of brightness is used")


def _white(images: np.ndarray) -> int:
    return 255 if images.dtype == np.uint8 else full_scale(images.dtype)


def _duplicates(images: dict[str, Images]) -> Iterator[Finding]:
    prints = {name: duplicates.fingerprints(part) for name, part in images.items()}
    fine = True
    repeated, opposed = duplicates.contradictions(images["train"], prints["train"])
    if repeated:
        fine = False
        text = f"{repeated:,} training images repeat another one"
        values = {"part": "train", "repeated": repeated, "contradictions": _listed(opposed)}
        text += f"; {len(opposed):,} with another label, such as {_example(opposed)}" if opposed else ""
        yield Finding("duplicates", "warning" if opposed else "note", text, values)
    for one, other in combinations(images, 2):
        pairs = duplicates.shared(images[one], prints[one], images[other], prints[other])
        close = duplicates.alike(images[one], images[other])
        total = len(images[other])
        if pairs:
            fine = False
            text = f"{len(pairs):,} of {total:,} {other} images are {one} images too, such as {_example(pairs)}"
            level: Level = "error" if len(pairs) > LEAK * total else "warning"
            yield Finding(
                "duplicates", level, text, {"parts": [one, other], "same": len(pairs), "pairs": _listed(pairs)}
            )
        if close:
            fine = False
            text = (
                f"{len(close):,} of {total:,} {other} images look nearly like a {one} image, such as {_example(close)}"
            )
            level = "warning" if len(close) > LEAK * total else "note"
            yield Finding(
                "duplicates", level, text, {"parts": [one, other], "alike": len(close), "pairs": _listed(close)}
            )
        if close is None:
            yield Finding("duplicates", "note", f"{one} and {other}: too many images to look for similar ones", {})
    if fine:
        yield Finding("duplicates", "ok", "no image is there twice, within a part or across parts")


def _example(pairs: list[duplicates.Pair]) -> str:
    return " and ".join(os.path.relpath(name) for name in (pairs[0].first, pairs[0].second))


def _listed(pairs: list[duplicates.Pair]) -> list[list[str]]:
    return [[pair.first, pair.second] for pair in pairs[:LISTED]]


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _costs(experiment: Experiment, images: dict[str, Images], folder: Path) -> Iterator[Finding]:
    try:
        cost = measure(experiment, images.get("validation"))
    except Diverged as error:
        yield _failed("training", error)
        return
    available, free = runtime.memory(), _free(folder)
    yield Finding(
        "memory",
        "warning" if cost.memory > 0.8 * available else "ok",
        f"{_bytes(cost.memory)} at most, of {_bytes(available)} here",
        {"bytes": cost.memory, "available": available},
    )
    yield Finding(
        "disk",
        "error" if cost.disk > free else "ok",
        f"{_bytes(cost.disk)} for checkpoints, of {_bytes(free)} free in {folder}",
        {"bytes": cost.disk, "free": free},
    )
    epochs = experiment.spec.train.epochs
    yield Finding(
        "time",
        "ok",
        f"{_seconds(cost.epoch_s)} per epoch ({1e3 * cost.step_s:.2f} ms per step); "
        f"{epochs} epochs take {_seconds(epochs * cost.epoch_s)}",
        {"step_s": cost.step_s, "epoch_s": cost.epoch_s, "total_s": epochs * cost.epoch_s},
    )


def _free(folder: Path) -> int:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def _bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _seconds(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
