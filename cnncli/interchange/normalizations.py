"""Normalisations and fixed filters as elementary operators: filters are matrices for rows and columns."""

from __future__ import annotations

import numpy as np

from cnncli.interchange.convolutions import Tensors
from cnncli.interchange.program import Builder
from cnncli.layers._bands import band_matrix, gaussian
from cnncli.layers._contrast import DividingNorm2d, LocalNorm2d
from cnncli.layers._filter2d import Filter2d, Taps
from cnncli.layers._group_norm import NormOfGroups
from cnncli.layers.base import Shape
from cnncli.layers.batch_norm2d import BatchNorm2d
from cnncli.layers.brightness_norm2d import BrightnessNorm2d

SMALLEST = 1e-6  # divisor of the local norms


def batch_norm2d(to: Builder, layer: BatchNorm2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """By the running averages, as in use."""
    names = [to.weight(key, tensors[key]) for key in ("weight", "bias", "running_mean", "running_var")]
    return to("BatchNormalization", x, *names, epsilon=layer.eps)


def norm_of_groups(to: Builder, layer: NormOfGroups, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """Each group of maps to mean 0 and variance 1, then scaled and shifted."""
    groups, shape = layer.group_count(), shapes[0]
    flat = to("Reshape", x, to.own("groups", np.array([-1, groups, int(np.prod(shape)) // groups])))
    ones, zeros = to.own("ones", np.ones(groups)), to.own("zeros", np.zeros(groups))
    y = to("InstanceNormalization", flat, ones, zeros, epsilon=layer.eps)
    y = to("Reshape", y, to.own("shape", np.array([-1, *shape])))
    weight, bias = (
        to.weight(key, array.reshape(shape) if array.size == np.prod(shape) else array.reshape(-1, 1, 1))
        for key, array in ((key, tensors[key]) for key in ("weight", "bias"))
    )
    return to("Add", to("Mul", y, weight), bias)


def filter2d(to: Builder, layer: Filter2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """A sum of separable filters."""
    sizes, steps, border = shapes[0][1:], layer.step(), layer.border_rule()
    y = ""
    for i, taps in enumerate(layer.terms()):
        matrices = (band_matrix(sizes[axis], taps[axis], border, stride=steps[axis]) for axis in (0, 1))
        term = to.separable(x, matrices, f"_{i}")
        y = to("Add", y, term) if y else term
    return y


def local_norm2d(to: Builder, layer: LocalNorm2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """x less its local mean, divided by its local deviation, or one of the two."""
    taps, (_, *sizes) = gaussian(layer.kernel_size, layer.sigma), shapes[0]
    if layer.subtract:
        mean, inner = _local_mean(to, layer, x, taps, sizes, "_mean"), sizes
        if layer.border == "valid":
            x, inner = _inside(to, x, layer.kernel_size // 2, sizes, "_mean")
        x, sizes = to("Sub", x, mean), inner
    if not isinstance(layer, DividingNorm2d) or not layer.divide:
        return x
    energy = _local_mean(to, layer, to("Mul", x, x), taps, sizes, "_deviation")
    deviation = to("Sqrt", to("Max", energy, to.number(0.0)))
    least = to.number(SMALLEST)
    if layer.floor == "mean":
        axes = [1, 2, 3] if layer.across == "all" else [2, 3]
        least = to("Max", to("ReduceMean", deviation, axes=axes, keepdims=1), least)
    elif layer.floor > SMALLEST:
        least = to.number(layer.floor)
    if layer.border == "valid":
        x, _ = _inside(to, x, layer.kernel_size // 2, sizes, "_deviation")
    return to("Div", x, to("Max", deviation, least))


def _local_mean(to: Builder, layer: LocalNorm2d, x: str, taps: Taps, sizes: list[int], key: str) -> str:
    if layer.across == "all":
        x = to("ReduceMean", x, axes=[1], keepdims=1)
    return to.separable(x, (band_matrix(size, taps, layer.border) for size in sizes), key)


def _inside(to: Builder, x: str, lost: int, sizes: list[int], key: str) -> tuple[str, list[int]]:
    """Maps without a frame."""
    starts, ends = to.own(f"starts{key}", np.array([lost, lost])), [size - lost for size in sizes]
    axes = to.own("axes", np.array([2, 3]))
    return to("Slice", x, starts, to.own(f"ends{key}", np.array(ends)), axes), [size - 2 * lost for size in sizes]


def brightness_norm2d(
    to: Builder, layer: BrightnessNorm2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors
) -> str:
    """y = x (kappa + lambda S)^-mu, S the sum of squares over maps or over a square."""
    channels, *sizes = shapes[0]
    squares = to("Mul", x, x)
    if layer.same_map is not None:
        energy = to.separable(squares, (_sums(size, layer.same_map) for size in sizes), "_sum")
    elif layer.window == "all":
        energy = to("ReduceSum", squares, to.own("axes", np.array([1])), keepdims=1)
    else:
        weight = to.own("maps", _sums(channels, layer.window).reshape(channels, channels, 1, 1))
        energy = to("Conv", squares, weight, kernel_shape=[1, 1])
    base = to("Add", to.times(energy, layer.lambda_), to.number(layer.kappa))
    return to("Mul", x, to("Pow", base, to.number(-layer.mu)))


def _sums(size: int, length: int) -> np.ndarray:
    """The matrix that adds up windows on `size` samples."""
    length = min(length, 2 * size)  # wider windows hold no more
    return band_matrix(size, (1.0,) * length, "zero", before=length // 2)
