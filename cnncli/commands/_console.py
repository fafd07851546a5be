"""What commands say: results to stdout, everything else to stderr; and how numbers look."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

_TO_QUOTE = re.compile(r'["\r\n]')


def note(text: str) -> None:
    """Say something on stderr; that nobody listens there must not end a training."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Say on stderr that something may be wrong."""
    note(f"warning: {text}")


def result(text: str) -> None:
    """Print a result on stdout."""
    print(text, flush=True)


def result_json(values: Any) -> None:
    """Print a result as one line of strict JSON."""
    result(json.dumps(values, allow_nan=False))


def json_number(value: float) -> float | None:
    """The shortest decimal that is read back as the same number of the same precision; None where it is not finite."""
    return float(str(value)) if math.isfinite(value) else None


def csv_row(cells: Iterable[object]) -> str:
    """A line of CSV as RFC 4180 has it, without its end; numbers as with `json_number`."""
    texts = list(map(str, cells))
    plain = ",".join(texts)
    if len(texts) > 1 and plain.count(",") < len(texts) and not _TO_QUOTE.search(plain):
        return plain
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(texts)
    return line.getvalue().removesuffix("\r\n")


def on_terminal() -> bool:
    """Whether stderr is a terminal on which a line can be drawn again and again."""
    return bool(sys.stderr) and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def percent(share: float) -> str:
    """A share as a text such as ``97.6 %``."""
    return f"{100 * share:.1f} %"


def loss_text(loss: float) -> str:
    """A loss as a text such as ``0.0123``."""
    return f"{loss:.4f}" if abs(loss) < 1000 else f"{loss:.4g}"


def bytes_text(count: int) -> str:
    """A number of bytes as a text such as ``18.8 kB``."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.1f} {unit}" if unit != "B" else f"{count} B"
        size /= 1000
    return f"{size:,.1f} GB"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows under a header in aligned columns, the first `left` of them aligned to the left."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    sides = [str.ljust] * left + [str.rjust] * (len(header) - left)
    lines = (
        "  ".join(side(cell, width) for side, cell, width in zip(sides, row, widths, strict=True))
        for row in (header, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)
