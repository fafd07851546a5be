"""Product of two inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnncli.errors import ShapeError
from cnncli.layers.base import Buffers, Example, Layer, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class Multiply(Layer):
    """y = a b of two inputs of one shape, or of maps and one number for each of them: (channels, 1, 1).

    The gate at the end of a squeeze-and-excitation block. da = dy b, db = dy a, summed over the pixels of a map where a
    number served all of it.

    References
    ----------
    Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018, eq 4.
    """

    examples: ClassVar[tuple[Example, ...]] = (
        Example({}, ((3, 4, 5), (3, 4, 5))),
        Example({}, ((3, 4, 5), (3, 1, 1))),
    )

    several_inputs: ClassVar[bool] = True

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        if len(in_shapes) != 2:
            raise ShapeError(f"takes two inputs, found {len(in_shapes)}")
        small, large = sorted(in_shapes, key=lambda shape: shape[1] * shape[2])
        if small not in (large, (large[0], 1, 1)):
            found = " and ".join(map(str, in_shapes))
            raise ShapeError(f"inputs must have one shape, or one of them one number for each map; found {found}")
        return LayerPlan(out_shape=large, reads=frozenset("x"))

    def forward(self, b: Buffers, training: bool) -> None:
        maps, factor = b.xs if b.xs[0].shape[2:4] == b.y.shape[2:4] else b.xs[::-1]
        b.kernels.elementwise.multiply(maps, factor, b.y, b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        elementwise = b.kernels.elementwise
        for dx, x, other in zip(b.dxs, b.xs, b.xs[::-1], strict=True):
            if dx is not None and x.shape[2:4] == b.y.shape[2:4]:
                elementwise.multiply(b.dy, other, dx, b.blocks, b.threads)
            elif dx is not None:
                elementwise.product_sums(b.dy, other, dx, b.blocks, b.threads)
