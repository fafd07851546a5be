"""How shapes look in messages and tables."""

from __future__ import annotations

from collections.abc import Sequence


def shape_text(shape: Sequence[int] | None) -> str:
    """A shape, size or window as a text such as ``6x28x28``; ``none`` where there is none."""
    return "none" if shape is None else "x".join(map(str, shape))
