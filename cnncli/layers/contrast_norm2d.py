"""Local contrast normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cnncli.layers._contrast import DividingNorm2d
from cnncli.layers.base import Example


@dataclass(frozen=True, kw_only=True)
class ContrastNorm2d(DividingNorm2d):
    """Every map less its local mean, then divided by its local deviation: subtractive, then divisive normalisation.

    v_i = x_i - (1/C) sum_j w * x_j and y_i = v_i / max(floor, s, 1e-6), s = sqrt((1/C) sum_j w * v_j^2). With
    ``across: none`` every map is normalised by itself. Under border ``valid`` each of the two steps shrinks the maps.

    References
    ----------
    Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009, layer N; Pinto, Cox
    and DiCarlo, "Why is real-world visual object recognition hard?", PLoS Computational Biology 4(1), 2008.
    """

    subtract: ClassVar[bool] = True
    divide: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 6, 5),)),
        Example({"kernel_size": 3, "sigma": 1.0, "across": "none"}, ((2, 5, 6),)),
        Example({"kernel_size": 3, "border": "valid", "floor": 0.1}, ((2, 7, 8),)),
    )
