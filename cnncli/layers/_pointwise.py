"""What the layers share that treat every sample by itself; ``_fast/pointwise.h`` has their functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import ClassVar

from cnncli.fields import field, positive
from cnncli.initializers import Initializer
from cnncli.layers.base import Buffers, Layer, LayerPlan, Param, Saved, Shape

SMALLEST_K = 1e-3


class Function(IntEnum):
    """Numbers of the kernel's functions."""

    RELU = 0
    LEAKY_RELU = 1
    SIGMOID = 2
    TANH = 3
    SOFTPLUS = 4
    ABS = 5
    SOFTABS = 6
    GAIN = 7
    ELU = 8
    GELU = 9
    SILU = 10
    HARD_SWISH = 11


@dataclass(frozen=True, kw_only=True)
class Pointwise(Layer):
    """y = f(x), sample by sample."""

    function: ClassVar[Function]
    from_output: ClassVar[bool] = False  # backward reads y, so that y may take the place of x

    def numbers(self, b: Buffers) -> tuple[float, float]:
        """The two numbers of the function."""
        return 0.0, 0.0

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        reads = frozenset("y" if self.from_output else "x")
        return LayerPlan(out_shape=in_shapes[0], reads=reads, in_place=self.from_output)

    def forward(self, b: Buffers, training: bool) -> None:
        b.kernels.pointwise.forward(b.x, b.y, self.function, *self.numbers(b), b.blocks, b.threads)

    def backward(self, b: Buffers) -> None:
        if b.dx is not None:
            v = b.y if self.from_output else b.x
            b.kernels.pointwise.backward(v, b.dy, b.dx, self.function, *self.numbers(b), b.blocks, b.threads)


@dataclass(frozen=True, kw_only=True)
class WithSharpness(Pointwise):
    """A smooth function that nears one with a kink as its parameter k grows; k may be trained.

    A trained k acts as 0.001 where it has become smaller, since the functions need k > 0.
    """

    k: float = field(positive, default=1.0, doc="sharpness of the bend (its first value if it is trained)")
    trained: bool = field(default=False, doc="whether k is a parameter, one for the whole layer")

    def numbers(self, b: Buffers) -> tuple[float, float]:
        return (max(float(b.param["k"][0]), SMALLEST_K) if self.trained else self.k), 0.0

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        plan = super().plan(in_shapes)
        if not self.trained:
            return plan
        return replace(
            plan,
            params={"k": Param((1,), Initializer("constant", self.k), decay=False)},
            saved={"partial": Saved((in_shapes[0][0],), "block")},
        )

    def backward(self, b: Buffers) -> None:
        super().backward(b)
        if self.trained:
            b.kernels.pointwise.parameter_gradient(
                b.x, b.dy, b.saved["partial"], b.grad["k"], self.function, self.numbers(b)[0], b.blocks, b.threads
            )
