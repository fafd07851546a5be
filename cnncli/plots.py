"""Line charts in small panels, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageChops, ImageDraw

from cnncli.sheets import FAINT, FRAME, INK, LARGE, LINE, MARGIN, PAPER, SMALL, font

# apart for colour-blind eyes, and in grey (Okabe and Ito)
COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (90, 90, 90))
PANEL_WIDTH, PANEL_HEIGHT = 400, 260
LEFT, BOTTOM, TOP, RIGHT = 40, 38, 26, 12  # pixels of a panel round its axes
BAND = 0.18  # share of its colour in the band of intervals


@dataclass(frozen=True)
class Line:
    """A line: its points, and an interval round each; `dots` marks the points themselves.

    Points that are not `joined` have neither line nor intervals.
    """

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    dots: bool = field(default=True, kw_only=True)
    joined: bool = field(default=True, kw_only=True)


@dataclass(frozen=True)
class Panel:
    """Lines over one axis; y runs from 0 to `top`. There is a line for each name of the whole chart, in that order.

    `share` says whether y is a share, to be shown in percent; `ticks` are places on the x axis with what stands there,
    round numbers by default.
    """

    title: str
    x_label: str
    lines: Sequence[Line]
    top: float = 1.0
    share: bool = True
    ticks: Sequence[tuple[float, str]] = ()


def chart(names: Sequence[str], panels: Sequence[Panel], columns: int = 3) -> Image.Image:
    """Panels side by side, below a legend.

    Parameters
    ----------
    names : sequence of str
        Of the lines.
    panels : sequence of Panel
    columns : int
    """
    columns = min(columns, len(panels))
    legend = _legend_rows(names, columns * PANEL_WIDTH)
    top = MARGIN + len(legend) * (LINE + 4) + 6
    rows = -(-len(panels) // columns)
    size = (2 * MARGIN + columns * PANEL_WIDTH, top + rows * PANEL_HEIGHT + MARGIN)
    picture = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(picture)
    for row, entries in enumerate(legend):
        for x, index in entries:
            y = MARGIN + row * (LINE + 4)
            pen.line((MARGIN + x, y + 8, MARGIN + x + 24, y + 8), _colour(index), 3)
            pen.text((MARGIN + x + 32, y), names[index], INK, font(LARGE))
    for i, panel in enumerate(panels):
        _draw(picture, panel, MARGIN + i % columns * PANEL_WIDTH, top + i // columns * PANEL_HEIGHT)
    return picture


def _colour(index: int) -> tuple[int, int, int]:
    return COLOURS[index % len(COLOURS)]


def _legend_rows(names: Sequence[str], width: int) -> list[list[tuple[int, int]]]:
    """(position, index) of each name, line by line."""
    rows: list[list[tuple[int, int]]] = [[]]
    x = 0
    for index, name in enumerate(names):
        needed = 32 + round(font(LARGE).getlength(name)) + 24
        if x and x + needed > width:
            rows.append([])
            x = 0
        rows[-1].append((x, index))
        x += needed
    return rows


def _draw(picture: Image.Image, panel: Panel, left: int, top: int) -> None:
    x0, x1 = left + LEFT, left + PANEL_WIDTH - RIGHT
    y0, y1 = top + TOP, top + PANEL_HEIGHT - BOTTOM
    places = [x for line in panel.lines for x in line.x] + [x for x, _ in panel.ticks]
    first, last = min(places), max(places)

    def place(x: float, y: float) -> tuple[float, float]:
        return x0 + (x - first) / ((last - first) or 1.0) * (x1 - x0), y1 - y / panel.top * (y1 - y0)

    for i, line in enumerate(panel.lines):
        if not line.joined:
            continue
        shade = tuple(round(BAND * c + (1 - BAND) * 255) for c in _colour(i))
        upper = [place(*point) for point in zip(line.x, line.high, strict=True)]
        lower = [place(*point) for point in zip(line.x, line.low, strict=True)]
        layer = Image.new("RGB", picture.size, PAPER)
        ImageDraw.Draw(layer).polygon([*upper, *reversed(lower)], fill=shade)
        box = (x0, y0, x1 + 1, y1 + 1)
        picture.paste(ImageChops.darker(picture.crop(box), layer.crop(box)), box)
    pen = ImageDraw.Draw(picture)
    small = font(SMALL)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = share * panel.top
        y = place(first, value)[1]
        pen.line((x0, y, x1, y), FRAME)
        label = f"{100 * value:.3g} %" if panel.share else f"{value:.3g}"
        pen.text((x0 - 6, y), label, FAINT, small, anchor="rm")
    whole = all(isinstance(x, int) for line in panel.lines for x in line.x)
    for tick, label in panel.ticks or [(tick, f"{tick:g}") for tick in _ticks(first, last, whole)]:
        x = place(tick, 0)[0]
        pen.line((x, y1, x, y1 + 4), FAINT)
        pen.text((x, y1 + 6), label, FAINT, small, anchor="mt")
    pen.text((x0, top + 4), panel.title, INK, font(LARGE))
    pen.text((x1, y1 + 20), panel.x_label, FAINT, small, anchor="rt")
    for i, line in enumerate(panel.lines):
        points = [place(*point) for point in zip(line.x, line.y, strict=True)]
        if line.joined:
            pen.line(points, _colour(i), 2, joint="curve")
        for x, y in points if line.dots else ():
            pen.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), _colour(i))


def above(value: float) -> float:
    """The next number at which an axis of four parts ends neatly."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(
        neat * power for neat in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10) if value <= neat * power * (1 + 1e-9)
    )


def _ticks(first: float, last: float, whole: bool) -> list[float]:
    """At most nine round numbers, or whole ones."""
    steps = [s for s in (0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 15, 20, 50, 100) if not whole or s >= 1]
    step = next((step for step in steps if (last - first) / step <= 8), steps[-1])
    return [round(i * step, 6) for i in range(math.ceil(first / step - 1e-6), math.floor(last / step + 1e-6) + 1)]
