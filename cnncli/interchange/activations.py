"""Layers that treat every sample by itself, as elementary operators."""

from __future__ import annotations

import math

from cnncli.interchange.convolutions import Tensors
from cnncli.interchange.program import Builder
from cnncli.layers._pointwise import SMALLEST_K, WithSharpness
from cnncli.layers.base import Layer, Shape
from cnncli.layers.elu import Elu
from cnncli.layers.gain import Gain
from cnncli.layers.gelu import Gelu
from cnncli.layers.leaky_relu import LeakyRelu
from cnncli.layers.prelu import Prelu
from cnncli.layers.tanh import Tanh

Shapes = tuple[Shape, Shape]


def identity(to: Builder, layer: Layer, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = x, as in use."""
    return x


def relu(to: Builder, layer: Layer, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = max(x, 0)."""
    return to("Relu", x)


def leaky_relu(to: Builder, layer: LeakyRelu, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = x, or slope x below zero."""
    return to("LeakyRelu", x, alpha=layer.slope)


def prelu(to: Builder, layer: Prelu, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = x, or a trained slope times x below zero."""
    return to("PRelu", x, to.per_map("weight", tensors["weight"]))


def elu(to: Builder, layer: Elu, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = x, or alpha (exp(x) - 1) below zero."""
    return to("Elu", x, alpha=layer.alpha)


def sigmoid(to: Builder, layer: Layer, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = 1 / (1 + exp(-x))."""
    return to("Sigmoid", x)


def tanh(to: Builder, layer: Tanh, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = A tanh(S x)."""
    return to.times(to("Tanh", to.times(x, layer.S)), layer.A)


def silu(to: Builder, layer: Layer, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = x sigmoid(x)."""
    return to("Mul", x, to("Sigmoid", x))


def hard_swish(to: Builder, layer: Layer, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = x min(max(x + 3, 0), 6) / 6."""
    return to("HardSwish", x)


def gelu(to: Builder, layer: Gelu, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = x (1 + erf(x / sqrt 2)) / 2, or the form with tanh."""
    if layer.approximate == "tanh":
        cube = to("Mul", to("Mul", x, x), x)
        inner = to("Tanh", to.times(to("Add", x, to.times(cube, 0.044715)), math.sqrt(2 / math.pi)))
    else:
        inner = to("Erf", to.times(x, math.sqrt(0.5)))
    return to("Mul", to.times(x, 0.5), to("Add", inner, to.number(1.0)))


def absolute(to: Builder, layer: Layer, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = |x|."""
    return to("Abs", x)


def softplus(to: Builder, layer: WithSharpness, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """max(x, 0) + softplus(-k |x|) / k, which loses nothing far from 0."""
    k = _sharpness(to, layer, tensors)
    tail = to("Softplus", to("Mul", to.times(to("Abs", x), -1.0), k))
    return to("Add", to("Relu", x), to("Div", tail, k))


def softabs(to: Builder, layer: WithSharpness, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """With u = k |x|: (2 / k) ln(1 + 2 sinh^2(u / 4)) up to u = 2, |x| + (2 / k) (softplus(-u) - ln 2) beyond.

    The first is exact near 0, as ln(1 + z) = 2 atanh(z / (2 + z)).
    """
    k = _sharpness(to, layer, tensors)
    size, two = to("Abs", x), to.number(2.0)
    u = to("Mul", size, k)
    sinh = to("Sinh", to.times(to("Min", u, two), 0.25))
    z = to.times(to("Mul", sinh, sinh), 2.0)
    near = to.times(to("Atanh", to("Div", z, to("Add", z, two))), 4.0)
    tail = to("Sub", to("Softplus", to.times(u, -1.0)), to.number(math.log(2)))
    far = to("Add", u, to.times(tail, 2.0))
    return to("Div", to("Where", to("LessOrEqual", u, two), near, far), k)


def gain(to: Builder, layer: Gain, x: str, shapes: Shapes, tensors: Tensors) -> str:
    """y = g x."""
    if layer.value is not None:
        return to("Mul", x, to.number(layer.value))
    return to("Mul", x, to.per_map("weight", tensors["weight"]))


def _sharpness(to: Builder, layer: WithSharpness, tensors: Tensors) -> str:
    if "k" not in tensors:
        return to.number(layer.k)
    return to("Max", to.weight("k", tensors["k"]), to.number(SMALLEST_K))
