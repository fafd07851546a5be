"""Blur with a small kernel, and the step of an image pyramid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from cnncli.fields import Pair, at_least, field
from cnncli.layers._bands import Border
from cnncli.layers._filter2d import Filter2d, Taps
from cnncli.layers.base import Example

KERNELS: dict[str, Taps] = {
    "binomial5": (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16),
    "binomial3": (1 / 4, 2 / 4, 1 / 4),
    "box2": (1 / 2, 1 / 2),
}


@dataclass(frozen=True, kw_only=True)
class Blur2d(Filter2d):
    """Rows and columns of every map blurred with a binomial or box kernel, every ``stride``-th of them kept.

    Stride 2 is one step of an image pyramid, or a subsampling that does not alias; stride 1 is a plain blur. ``box2``
    averages a sample and the next. Sizes become ceil(m / stride).

    References
    ----------
    Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Communications 31(4), 1983; Zhang,
    "Making convolutional networks shift-invariant again", ICML 2019.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 7, 6),)),
        Example({"kernel": "box2", "border": "edge", "stride": 1}, ((2, 4, 5),)),
    )

    kernel: Literal["binomial5", "binomial3", "box2"] = field(
        default="binomial5", doc="[1 4 6 4 1] / 16, [1 2 1] / 4 or [1 1] / 2, for rows and for columns"
    )
    border: Literal["reflect", "edge", "zero"] = field(
        default="reflect", doc="what stands outside the map: its mirror image without the edge, the edge, or zeros"
    )
    stride: Pair = field(at_least(1), default=(2, 2), doc="keep every so many-th row and column")

    def terms(self) -> tuple[tuple[Taps, Taps], ...]:
        taps = KERNELS[self.kernel]
        return ((taps, taps),)

    def border_rule(self) -> Border:
        return self.border

    def step(self) -> tuple[int, int]:
        return self.stride
