"""Charts of a report, drawn by matplotlib as SVG that takes its colours from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("svg")  # no window, whatever the surroundings

from matplotlib.figure import Figure

from cnncli.calibration import BINS, Reliability
from cnncli.plots import above

# stand for variables of the page's style sheet, by which light and dark differ
INK, GRID = "#010203", "#040506"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")
_VARIABLES = {INK: "var(--ink)", GRID: "var(--grid)"} | {c: f"var(--series-{i + 1})" for i, c in enumerate(SERIES)}
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "legend.frameon": False,
}
MARKERS = "os^Dvx"


def curves(history: Sequence[Mapping[str, Any]], what: str, best: int | None, title: str) -> str:
    """Loss or error by epoch, in training and validation; the best epoch is marked.

    Parameters
    ----------
    history : sequence of mapping
        A run's rows.
    what : {"loss", "error"}
    best : int or None
    title : str
        For those who cannot see it.
    """
    epochs = [row["epoch"] for row in history]
    lines = {}
    for part, name in (("train", "training"), ("validation", "validation")):
        key = f"{part}_{'accuracy' if what == 'error' else what}"
        if key in history[0]:
            values = [float(row[key]) for row in history]
            lines[name] = [100 * (1 - value) for value in values] if what == "error" else values
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("epoch", "error, %" if what == "error" else "loss")
        for (name, values), colour, marker in zip(lines.items(), SERIES, MARKERS, strict=False):
            axes.plot(epochs, values, color=colour, label=name, marker=marker if len(epochs) <= 30 else None, ms=4)
        if best and len(epochs) > 1:
            axes.axvline(best, color=GRID, ls="--", lw=1)
            axes.annotate("best", (best, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=9)
        ordered = sorted(value for values in lines.values() for value in values)
        axes.set_ylim(0, above(min(ordered[-1], 5 * ordered[len(ordered) // 2]) or 1.0))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
        return _svg(figure, title)


def calibration(found: Reliability, title: str) -> str:
    """How often answers of each probability are right, beside how often they should be."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("probability that the answer is given, %", "right, %")
        axes.plot([0, 100], [0, 100], color=GRID, ls="--", label="as it should be")
        some = [k for k in range(BINS) if found.images[k]]
        sizes = [20 + 300 * float(found.images[k]) / float(found.images.sum()) for k in some]
        x, y = ([100 * float(values[k]) for k in some] for values in (found.confidence, found.accuracy))
        axes.plot(x, y, color=SERIES[0], lw=1)
        axes.scatter(x, y, s=sizes, color=SERIES[0], label="answers; larger: more of them")
        axes.set_xlim(0, 102)
        axes.set_ylim(0, 105)
        axes.legend(loc="upper left")
        return _svg(figure, title)


def health(epochs: Sequence[int], lines: Mapping[str, Sequence[float]], label: str, title: str, log: bool) -> str:
    """A number of each of up to six layers by epoch."""
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("epoch", label)
        for (name, values), colour, marker in zip(lines.items(), SERIES, MARKERS, strict=False):
            axes.plot(epochs, values, color=colour, label=name, marker=marker if len(epochs) <= 30 else None, ms=4)
        if log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 100)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(ncols=2, fontsize=9)
        return _svg(figure, title)


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y", lw=0.6)
    return figure, axes


def _svg(figure: Figure, title: str) -> str:
    """The drawing alone, for a page; equal numbers give equal text."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": title}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    opening = re.match(r"<svg[^>]*viewBox=\"([^\"]*)\"[^>]*>", text)
    assert opening
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg viewBox="{opening[1]}" {names} aria-hidden="true">{text[opening.end() :]}'
