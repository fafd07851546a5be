"""Classical image filters as a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from cnncli.fields import field
from cnncli.layers._bands import Border, gaussian
from cnncli.layers._filter2d import Filter2d, Taps
from cnncli.layers.base import Example

_DELTA, _BOX, _BINOMIAL = (0.0, 1.0, 0.0), (1 / 3, 1 / 3, 1 / 3), (1 / 4, 2 / 4, 1 / 4)
_SMOOTH, _SLOPE, _CURVE = (1.0, 2.0, 1.0), (-1.0, 0.0, 1.0), (1.0, -2.0, 1.0)

KERNELS: dict[str, tuple[tuple[Taps, Taps], ...]] = {
    "box3": ((_BOX, _BOX),),
    "gaussian5": ((gaussian(5, 1.0), gaussian(5, 1.0)),),
    "binomial3": ((_BINOMIAL, _BINOMIAL),),
    "sobel_x": ((_SMOOTH, _SLOPE),),
    "sobel_y": ((_SLOPE, _SMOOTH),),
    "laplacian": ((_CURVE, _DELTA), (_DELTA, _CURVE)),
    "sharpen": (((0.0, 2.0, 0.0), _DELTA), ((-1 / 3, -1 / 3, -1 / 3), _BOX)),
}


@dataclass(frozen=True, kw_only=True)
class FixedFilter2d(Filter2d):
    """Every map correlated with one known kernel that is not trained.

    ``sobel_x`` is [[-1 0 1] [-2 0 2] [-1 0 1]], ``sobel_y`` its transpose, ``laplacian`` [[0 1 0] [1 -4 1] [0 1 0]],
    ``binomial3`` the outer square of [1 2 1] / 4, ``gaussian5`` has sigma 1 and sum 1, ``sharpen`` is twice the image
    less ``box3``.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({"kernel": "sobel_x"}, ((3, 6, 5),)),
        Example({"kernel": "sharpen", "border": "valid"}, ((2, 5, 6),)),
    )

    kernel: Literal["box3", "gaussian5", "binomial3", "sobel_x", "sobel_y", "laplacian", "sharpen"] = field(
        doc="which filter"
    )
    border: Literal["zero", "reflect", "edge", "valid"] = field(
        default="zero",
        doc="what stands outside: zeros, the mirror image without the edge, the edge; or valid: maps shrink instead",
    )

    def terms(self) -> tuple[tuple[Taps, Taps], ...]:
        return KERNELS[self.kernel]

    def border_rule(self) -> Border:
        return self.border
