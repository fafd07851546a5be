"""The trials of a sweep: what each changes, the run folder it has, and what came of it.

A trial is an ordinary run, in a folder of the sweep's that is named by its values. That folder is all there is to know
of it, so that any number of processes can work on a sweep, and any of them can be killed at any time: a trial is done
when its folder has a `RESULT`; until then, whoever holds the folder's lock is training there, and nobody else.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from cnncli import monitor
from cnncli.changes import changes
from cnncli.errors import SpecError
from cnncli.fields import show
from cnncli.files import replace_file
from cnncli.spec import RunSpec, from_resolved, resolved
from cnncli.sweeping.axes import MOST, Axis, canonical, short_names
from cnncli.yamlio import load

RESULT = "result.json"
SEED = "train.seed"
LONGEST = 100  # letters of a folder's name
PATIENCE = 1000  # draws in a row that bring nothing new

DONE, PRUNED, DIVERGED, FAILED = "done", "pruned", "diverged", "failed"


@dataclass(frozen=True)
class Trial:
    """One training of a sweep.

    Attributes
    ----------
    number : int
        From 0, as ``--index`` counts.
    folder : Path
    values : mapping of str to str, optional
        The text of each key that is tried; None where that is not chosen yet.
    """

    number: int
    folder: Path
    values: Mapping[str, str] | None

    @property
    def overrides(self) -> list[str]:
        """What it changes, as a command line says it."""
        return [f"{key}={text}" for key, text in (self.values or {}).items()]


@dataclass(frozen=True)
class Result:
    """What came of a trial.

    Attributes
    ----------
    status : str
        `DONE`, `PRUNED` (stopped as it was worse than others), `DIVERGED` or `FAILED`; a failure is not kept.
    why : str
        What there is to say, unless it is done.
    epochs : int
    best : mapping
        The row of the epoch whose weights are kept, see ``results.csv``; empty where there is none.
    test_accuracy : float or None
        Of those weights; not there to choose by.
    exit_code : int
        Of the training.
    """

    status: str
    why: str = ""
    epochs: int = 0
    best: Mapping[str, Any] = field(default_factory=dict)
    test_accuracy: float | None = None
    exit_code: int = 0


def write_result(trial: Trial, result: Result) -> None:
    """Say in a trial's folder what came of it; raises OutputError or IOFailure."""
    kept = {"values": dict(trial.values or {})} | asdict(result)
    replace_file(trial.folder / RESULT, [json.dumps(kept, indent=2).encode(), b"\n"])


def read_result(folder: Path) -> Result | None:
    """What came of the trial in a folder; None where it is not at its end, or what is said there cannot be read."""
    try:
        kept = json.loads((folder / RESULT).read_bytes())
        del kept["values"]
        return Result(**kept)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_rows(folder: Path) -> list[dict[str, float]]:
    """A run's epochs so far, as ``results.csv`` has them; a row that is half written does not count."""
    try:
        text = (folder / "results.csv").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    whole = text[: text.rfind("\n") + 1].splitlines()
    try:
        return [{key: float(cell) for key, cell in row.items()} for row in csv.DictReader(whole)]
    except (TypeError, ValueError):  # changed by somebody
        return []


def best_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row of the epoch that a run keeps the weights of."""
    best: Mapping[str, Any] = {}
    for row in rows:
        if not best or monitor.better(row, best):
            best = row
    return best


# --- what is tried


def grid(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Every combination, the last key changing fastest.

    Raises
    ------
    SpecError
        There are too many.
    """
    values = [axis.grid for axis in axes]
    count = math.prod(map(len, values))
    if count > MOST:
        raise SpecError(f"the grid has {count:,} trials, more than {MOST:,}; --random --trials N draws some of them")
    return [dict(zip((axis.key for axis in axes), chosen, strict=True)) for chosen in itertools.product(*values)]


def draws(axes: Sequence[Axis], count: int, seed: int) -> list[dict[str, str]]:
    """At most `count` different combinations, drawn at random; more of them begin with the same ones."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    drawn = misses = 0
    while len(found) < count and misses < PATIENCE:
        values = {axis.key: axis.at(Random(f"{seed}/{axis.key}/{drawn}").random()) for axis in axes}
        misses = misses + 1 if tuple(values.values()) in found else 0
        found.setdefault(tuple(values.values()), values)
        drawn += 1
    return list(found.values())


def with_seeds(points: Sequence[dict[str, str]], first: int, count: int) -> Iterator[dict[str, str]]:
    """Each combination with so many seeds, one after another."""
    for values in points:
        yield from ({**values, SEED: str(seed)} for seed in range(first, first + count))


def trials(folder: Path, points: Sequence[Mapping[str, str]]) -> list[Trial]:
    """The trials of combinations that are known from the start."""
    names = short_names(list(points[0]))
    return [Trial(number, folder / _name(values, names), values) for number, values in enumerate(points)]


def _name(values: Mapping[str, str], names: Mapping[str, str]) -> str:
    """A folder's name that says the values, in letters that are safe; a digest where that does not say it all."""
    meant = {names[key]: json.loads(canonical(text)) for key, text in values.items()}
    said = ",".join(f"{name}={_plain(value)}" for name, value in meant.items())
    safe = re.sub(r"[^\w.,=+-]+", "_", said)
    if safe == said and len(said) <= LONGEST:
        return said
    digest = hashlib.sha256(json.dumps(meant, sort_keys=True).encode()).hexdigest()
    return f"{safe[:LONGEST]}-{digest[:8]}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    return value if isinstance(value, str) else json.dumps(value)


# --- what is there


def check_folder(trial: Trial, spec: RunSpec) -> None:
    """Make sure that what a trial's folder holds was made with the same config.

    Raises
    ------
    SpecError
        It was not.
    """
    path = trial.folder / "config.yaml"
    if not path.exists():
        return
    mapping, _ = load(str(path))
    differences = list(changes(resolved(from_resolved(mapping, str(path))), resolved(spec)))
    if differences:
        key, before, now = differences[0]
        more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
        raise SpecError(
            f"{trial.folder}: was made with another config ({key}: {show(before)} then, {show(now)} now{more}); "
            f"-o DIR names another folder"
        )
