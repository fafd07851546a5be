"""What came of a sweep: trials by their metric, best first; as CSV, and as a picture."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnncli.plots import Line, Panel, above
from cnncli.sweeping import METRICS
from cnncli.sweeping.axes import Axis, short_names, value
from cnncli.sweeping.trials import DONE, PRUNED, SEED, Result, Trial

HIGH = 3.0  # times the median: what is worse is drawn at the top
LABELS = 8  # values that have a label each
WIDE = 20.0  # largest over smallest value, from which an axis is logarithmic


@dataclass(frozen=True)
class Point:
    """A combination of values, with the trials of all its seeds.

    Attributes
    ----------
    values : mapping of str to str
    runs : list of (Trial, Result)
    metric : str
    """

    values: Mapping[str, str]
    runs: list[tuple[Trial, Result]]
    metric: str

    @property
    def numbers(self) -> list[float]:
        """The metric of each run that has one."""
        return [
            float(r.best[self.metric]) for _, r in self.runs if r.status in (DONE, PRUNED) and self.metric in r.best
        ]

    @property
    def mean(self) -> float | None:
        return statistics.fmean(self.numbers) if self.numbers else None

    @property
    def spread(self) -> float | None:
        """Standard deviation over the seeds."""
        return statistics.stdev(self.numbers) if len(self.numbers) > 1 else None

    @property
    def complete(self) -> bool:
        """Whether every run came to its end, with a number."""
        return len(self.numbers) == len(self.runs) and all(result.status == DONE for _, result in self.runs)

    @property
    def test_accuracy(self) -> float | None:
        """Mean over the runs, of the weights that each has kept."""
        found = [result.test_accuracy for _, result in self.runs if result.test_accuracy is not None]
        return statistics.fmean(found) if found and self.complete else None

    @property
    def status(self) -> str:
        """``done``, or how many runs are not."""
        others = [result.status for _, result in self.runs if result.status != DONE]
        if not others:
            return DONE
        if len(self.runs) == 1:
            return others[0]
        return ", ".join(f"{others.count(s)} of {len(self.runs)} {s}" for s in dict.fromkeys(others))


def higher_is_better(metric: str) -> bool:
    """Whether it is an accuracy rather than a loss."""
    return metric.endswith("accuracy")


def rank(ended: Sequence[tuple[Trial, Result]], metric: str, repeated: bool) -> list[Point]:
    """The combinations, best first; then those that were stopped or have lost a run, then those without a number.

    Parameters
    ----------
    ended : sequence of (Trial, Result)
    metric : str
    repeated : bool
        Whether trials that differ in the seed only are one combination.
    """
    points: dict[tuple[tuple[str, str], ...], Point] = {}
    for trial, result in sorted(ended, key=lambda each: each[0].number):
        values = {k: text for k, text in (trial.values or {}).items() if not (repeated and k == SEED)}
        points.setdefault(tuple(values.items()), Point(values, [], metric)).runs.append((trial, result))
    sign = -1 if higher_is_better(metric) else 1
    return sorted(
        points.values(), key=lambda p: (not p.complete, p.mean is None, sign * p.mean if p.mean is not None else 0.0)
    )


def table(points: Sequence[Point]) -> str:
    """Every trial as a line of CSV, in the order of their numbers."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    runs = sorted((run for point in points for run in point.runs), key=lambda run: run[0].number)
    keys = list(runs[0][0].values or {})
    rows.writerow(["trial", *keys, "status", "epochs", "best_epoch", *METRICS, "test_accuracy", "run", "why"])
    for trial, result in runs:
        texts = [(trial.values or {}).get(key, "") for key in keys]
        epoch = int(result.best["epoch"]) if result.best else ""
        numbers = [result.best.get(name, "") for name in METRICS]
        test = "" if result.test_accuracy is None else result.test_accuracy
        rows.writerow(
            [trial.number, *texts, result.status, result.epochs, epoch, *numbers, test, trial.folder, result.why]
        )
    return text.getvalue()


def panels(points: Sequence[Point], axes: Sequence[Axis]) -> Iterator[Panel]:
    """The error (or loss) of every combination over each key, with the best for each value, or of all in a range."""
    metric = points[0].metric
    part = metric.partition("_")[0]
    share = higher_is_better(metric)
    shown = [(point, 1 - point.mean if share else point.mean) for point in points if point.mean is not None]
    if not shown:
        return
    costs = [cost for _, cost in shown]
    top = above(min(max(costs), HIGH * statistics.median(costs)) or 1.0)
    names = short_names([axis.key for axis in axes])
    title = f"{'training' if part == 'train' else part} {'error' if share else 'loss'}"
    for axis in axes:
        scale = _Scale(axis, [point.values[axis.key] for point, _ in shown])
        places = [(scale.place(point.values[axis.key]), min(cost, top)) for point, cost in shown]
        best: dict[float, float] = {}
        for x, y in places:
            best[x] = min(y, best.get(x, math.inf))
        if axis.range is not None and len(best) > LABELS:
            best = dict([min(places, key=lambda place: place[1])])
        lines = [_line(sorted(places), joined=False), _line(sorted(best.items()), joined=True)]
        yield Panel(title, names[axis.key], lines, top, share, ticks=scale.ticks)


def _line(places: Sequence[tuple[float, float]], joined: bool) -> Line:
    x, y = [place[0] for place in places], [place[1] for place in places]
    return Line(x, y, y, y, joined=joined)


class _Scale:
    """Where values stand on an axis: numbers by size or by their logarithm, anything else side by side."""

    def __init__(self, axis: Axis, texts: Sequence[str]) -> None:
        meant: dict[str, Any] = {text: value(text) for text in (*axis.texts, *axis.ends, *texts)}
        numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in meant.values())
        if not numeric:
            self._places = {text: float(i) for i, text in enumerate(meant)}
            self.ticks = [(x, text if len(text) <= 12 else f"{text[:11]}…") for text, x in self._places.items()]
            return
        low, high = min(meant.values()), max(meant.values())
        log = axis.range.log if axis.range else len(meant) > 2 and low > 0 and high >= WIDE * low
        self._places = {text: math.log10(v) if log else float(v) for text, v in meant.items()}
        if len(set(self._places.values())) <= LABELS:
            self.ticks = [(self._places[text], f"{v:g}") for text, v in meant.items()]
        else:
            first, last = min(self._places.values()), max(self._places.values())
            at = [first + i * (last - first) / 4 for i in range(5)]
            self.ticks = [(x, f"{10**x if log else x:.3g}") for x in at]

    def place(self, text: str) -> float:
        return self._places[text]
