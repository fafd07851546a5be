"""Divisive normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.layers._contrast import DividingNorm2d
from cnncli.layers.base import Example


@dataclass(frozen=True, kw_only=True)
class DivisiveNorm2d(DividingNorm2d):
    """Every map divided by the local deviation of all maps: y_i = x_i / max(floor, s, 1e-6).

    s = sqrt((1/C) sum_j w * x_j^2) with w a Gaussian window of sum 1; x should have a local mean near 0.

    References
    ----------
    Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009, layer N.
    """

    subtract: ClassVar[bool] = False
    divide: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 6, 5),)),
        Example({"kernel_size": 3, "border": "reflect", "floor": 0.5}, ((2, 5, 6),)),
    )
