"""Subtractive normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.layers._contrast import LocalNorm2d
from cnncli.layers.base import Example


@dataclass(frozen=True, kw_only=True)
class SubtractiveNorm2d(LocalNorm2d):
    """Every map less the local mean of all maps: y_i = x_i - (1/C) sum_j w * x_j, w a Gaussian window of sum 1.

    A constant added to the image changes nothing (but under border ``zero``): the first sample of each image, of each
    map for ``across: none``, is taken off first, so that large offsets cost no accuracy.

    References
    ----------
    Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009, layer N.
    """

    subtract: ClassVar[bool] = True
    divide: ClassVar[bool] = False
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 6, 5),)),
        Example({"kernel_size": 3, "across": "none", "border": "valid"}, ((2, 5, 6),)),
    )
