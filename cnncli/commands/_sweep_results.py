"""What ``cnn sweep`` says: its trials before, each as it ends, all of them at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands._console import loss_text, note, percent, result, result_json, table

if TYPE_CHECKING:
    from cnncli.sweeping.axes import Axis
    from cnncli.sweeping.ranking import Point
    from cnncli.sweeping.trials import Result, Trial

CSV, PICTURE = "sweep.csv", "sweep.png"


def known(trials: Sequence[Trial]) -> set[int]:
    """The numbers of the trials that are at their end already."""
    from cnncli.sweeping.trials import read_result

    return {trial.number for trial in trials if read_result(trial.folder)}


def tell_plan(trials: Sequence[Trial], folder: Path, as_json: bool) -> None:
    """List the trials."""
    done = known(trials)
    if as_json:
        for trial in trials:
            values = None if trial.values is None else _meant(trial.values)
            state = {"run": str(trial.folder), "done": trial.number in done}
            result_json({"trial": trial.number, "values": values} | state)
        return
    settled = [trial for trial in trials if trial.values is not None]
    if settled:
        names = _short(settled)
        rows = [
            (str(t.number), *(t.values[key] for key in names), "done" if t.number in done else "")
            for t in settled
            if t.values
        ]
        result(table(("trial", *names.values(), ""), rows, left=0))
    if len(settled) < len(trials):
        result(f"{len(trials) - len(settled)} trials whose values are chosen as it goes")
    note(f"{folder}: {len(trials)} trials, {len(done)} done; in a job array: --array=0-{trials[-1].number}")


def line(trial: Trial, found: Result, metric: str, number: int, total: int) -> str:
    """A trial as it ends."""
    names = _short([trial])
    values = " ".join(f"{names[key]}={text}" for key, text in (trial.values or {}).items())
    text = _number(found.best.get(metric), metric)
    said = f"{metric.replace('_', ' ')} {text}" if text else ""
    if found.status != "done":
        why = found.why.partition(": ")[0] if found.status == "diverged" else found.why
        said = ", ".join(filter(None, [f"{found.status}: {why}", said]))
    return f"{number:>{len(str(total))}}/{total}  {values}  {said}".rstrip()


def tell(
    ended: Sequence[tuple[Trial, Result]],
    axes: Sequence[Axis],
    folder: Path,
    metric: str,
    seeds: int | None,
    write: bool,
    as_json: bool,
) -> None:
    """The table, and files if they are wanted; then the exit code for trials that failed.

    Raises
    ------
    Exit
        A trial failed (with its exit code), or none has a number (76).
    """
    from cnncli.errors import Diverged
    from cnncli.sweeping.ranking import rank

    points = rank(ended, metric, seeds is not None)
    files = _write(points, axes, folder) if write and points else {}
    if as_json:
        for point in points:
            result_json(_values(point))
        result_json(_summary(points, folder, metric) | files)
    elif points:
        result(_text(points, metric, seeds))
        if files:
            note(f"written to {' and '.join(files.values())}")
    if failed := [found.exit_code for _, found in ended if found.status == "failed"]:
        raise click.exceptions.Exit(failed[0] if failed[0] > 0 else 1)
    if ended and not any(point.numbers for point in points) and all(f.status == "diverged" for _, f in ended):
        raise click.exceptions.Exit(Diverged.exit_code)


def _write(points: Sequence[Point], axes: Sequence[Axis], folder: Path) -> dict[str, str]:
    """sweep.csv and, where there is something to draw, sweep.png."""
    from cnncli.files import replace_file
    from cnncli.plots import chart
    from cnncli.sheets import png
    from cnncli.sweeping.ranking import panels
    from cnncli.sweeping.ranking import table as as_csv

    replace_file(folder / CSV, [as_csv(points).encode(errors="surrogateescape")])
    files = {"csv": str(folder / CSV)}
    if drawn := list(panels(points, axes)):
        replace_file(folder / PICTURE, [png(chart(["a trial", "the best of each value"], drawn))])
        files["picture"] = str(folder / PICTURE)
    return files


def _text(points: Sequence[Point], metric: str, seeds: int | None) -> str:
    names = _short([trial for trial, _ in points[0].runs])
    keys = list(points[0].values)
    spread = any(point.spread is not None for point in points)
    header = [*(names[key] for key in keys), metric.replace("_", " ")]
    header += [f"± of {seeds} seeds"] * spread + ["epoch", "trial", ""]
    rows = []
    for point in points:
        epochs = sorted({int(found.best["epoch"]) for _, found in point.runs if found.best})
        numbers = [trial.number for trial, _ in point.runs]
        rows.append(
            [
                *(point.values[key] for key in keys),
                _number(point.mean, metric),
                *[_number(point.spread, metric, 2).removesuffix(" %")] * spread,
                _span(epochs),
                _span(numbers),
                "" if point.status == "done" else point.status,
            ]
        )
    widest = table(header, rows, left=len(keys))
    lines = [widest]
    best = points[0]
    if best.complete:
        run = best.runs[0][0].folder
        values = " ".join(f"{key}={text}" for key, text in best.values.items())
        text = f"best: {values or 'the config as it is'}; {run}"
        if best.test_accuracy is not None:
            text += f"\nits test accuracy, which it was not chosen by: {percent(best.test_accuracy)}"
        lines += ["", text]
    reasons = dict.fromkeys(f.why for p in points for _, f in p.runs if f.status in ("failed", "diverged") and f.why)
    lines += [""] * bool(reasons) + list(reasons)[:5]
    return "\n".join(lines)


def _values(point: Point) -> dict[str, Any]:
    """A combination for scripts."""
    runs = [
        {
            "trial": trial.number,
            "run": str(trial.folder),
            "status": found.status,
            "epochs": found.epochs,
            "best_epoch": int(found.best["epoch"]) if found.best else None,
            **{name: found.best.get(name) for name in ("validation_accuracy", "validation_loss")},
            "why": found.why,
        }
        for trial, found in point.runs
    ]
    return {
        "values": _meant(point.values),
        "status": point.status,
        point.metric: point.mean,
        "spread": point.spread,
        "runs": runs,
    }


def _summary(points: Sequence[Point], folder: Path, metric: str) -> dict[str, Any]:
    best = points[0] if points and points[0].complete else None
    return {
        "folder": str(folder),
        "trials": sum(len(point.runs) for point in points),
        "metric": metric,
        "best": best and _meant(best.values),
        "best_run": best and str(best.runs[0][0].folder),
        metric: best and best.mean,
        "test_accuracy": best and best.test_accuracy,
    }


def _meant(values: Any) -> dict[str, Any]:
    from cnncli.sweeping.axes import value

    return {key: value(text) for key, text in values.items()}


def _short(trials: Sequence[Trial]) -> dict[str, str]:
    from cnncli.sweeping.axes import short_names

    return short_names(list(trials[0].values or {}))


def _number(found: float | None, metric: str, digits: int = 1) -> str:
    if found is None:
        return ""
    return f"{100 * found:.{digits}f} %" if metric.endswith("accuracy") else loss_text(found)


def _span(numbers: Sequence[int]) -> str:
    """One number, or the first and the last."""
    return "-".join(map(str, dict.fromkeys([*numbers[:1], *numbers[-1:]])))
