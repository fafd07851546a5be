"""Subsampling by leaving samples out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.fields import Pair, at_least, field
from cnncli.layers._filter2d import Filter2d, Taps
from cnncli.layers.base import Example


@dataclass(frozen=True, kw_only=True)
class Subsample2d(Filter2d):
    """Keep every (skip + 1)-th row and column, beginning with the first: y[i, j] = x[(skip + 1) i, (skip + 1) j].

    A map of m rows keeps ceil(m / (skip + 1)) of them.

    References
    ----------
    Ciresan et al., "Flexible, high performance convolutional neural networks for image classification", IJCAI 2011,
    whose skipping factors these are.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 7, 6),)),
        Example({"skip": [2, 0]}, ((2, 8, 5),)),
    )

    skip: Pair = field(at_least(0), default=(1, 1), doc="rows and columns left out between two that are kept")

    def terms(self) -> tuple[tuple[Taps, Taps], ...]:
        return (((1.0,), (1.0,)),)

    def step(self) -> tuple[int, int]:
        return self.skip[0] + 1, self.skip[1] + 1
