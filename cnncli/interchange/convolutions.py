"""Layers with weights over windows, and pooling, as elementary operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cnncli.interchange.program import Builder
from cnncli.layers._pool2d import Pool2d
from cnncli.layers.avg_pool2d import AvgPool2d
from cnncli.layers.base import Shape
from cnncli.layers.conv2d import Conv2d
from cnncli.layers.global_avg_pool2d import GlobalAvgPool2d
from cnncli.layers.linear import Linear
from cnncli.layers.local2d import Local2d
from cnncli.layers.max_pool2d import MaxPool2d
from cnncli.layers.scaled_avg_pool2d import ScaledAvgPool2d

Tensors = Mapping[str, np.ndarray]  # of a layer, by the layer's own names, in the shapes of files


def conv2d(to: Builder, layer: Conv2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """A convolution; a kernel that is flipped is turned round first, a border of another value than 0 put on."""
    inputs = [to.weight("weight", tensors["weight"])]
    if layer.flip:
        start, end = to.own("last", np.array([-1, -1])), to.own("first", np.array([-(2**31), -(2**31)]))
        axes, steps = to.own("axes", np.array([2, 3])), to.own("backwards", np.array([-1, -1]))
        inputs = [to("Slice", *inputs, start, end, axes, steps)]
    bias = tensors.get("bias")
    if bias is not None and bias.ndim == 1:
        inputs.append(to.weight("bias", bias))
    (top, left), pads = layer.padding, [0, 0, 0, 0]
    if layer.pad_value:
        x = to.padded(x, (top, left, top, left), layer.pad_value)
    else:
        pads = [top, left, top, left]
    y = to(
        "Conv", x, *inputs,
        kernel_shape=list(layer.kernel_size), strides=list(layer.stride), dilations=list(layer.dilation), pads=pads,
        group=layer.groups,
    )  # fmt: skip
    return to("Add", y, to.weight("bias", bias)) if bias is not None and bias.ndim == 3 else y


def local2d(to: Builder, layer: Local2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """Patches by a convolution with kernels of a single 1, then a matrix of its own for every place."""
    (channels, _, _), (out, rows, columns) = shapes
    taps = channels * layer.kernel_size[0] * layer.kernel_size[1]
    x = to.padded(x, (*layer.padding, *layer.padding), layer.pad_value)
    ones = to.own("patches", np.eye(taps, dtype=np.float32).reshape(taps, channels, *layer.kernel_size))
    patches = to("Conv", x, ones, kernel_shape=list(layer.kernel_size), strides=list(layer.stride))
    patches = to("Transpose", patches, perm=[2, 3, 0, 1])  # (rows, columns, N, taps)
    matrices = to.own("matrices", np.array([rows, columns, taps, out]))
    weight = to("Reshape", to.weight("weight", tensors["weight"]), matrices)
    y = to("Transpose", to("MatMul", patches, weight), perm=[2, 3, 0, 1])
    return to("Add", y, to.weight("bias", tensors["bias"])) if "bias" in tensors else y


def linear(to: Builder, layer: Linear, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """A matrix times all samples of an image."""
    inputs = [to.weight(key, tensor) for key, tensor in tensors.items()]
    y = to("Gemm", to("Flatten", x, axis=1), *inputs, transB=1)
    return to("Reshape", y, to.own("shape", np.array([-1, layer.out_features, 1, 1])))


def _windows(layer: Pool2d, shapes: tuple[Shape, Shape]) -> dict[str, list[int]]:
    """Attributes of pooling; the frame below and right is what the last window reaches, however sizes are rounded."""
    kernel, stride, padding = layer.kernel_size, layer.stride or layer.kernel_size, layer.padding
    ends = [max(0, (shapes[1][1 + a] - 1) * stride[a] + kernel[a] - shapes[0][1 + a] - padding[a]) for a in (0, 1)]
    return {"kernel_shape": list(kernel), "strides": list(stride), "pads": [*padding, *ends]}


def max_pool2d(to: Builder, layer: MaxPool2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """The largest sample of each window."""
    return to("MaxPool", x, **_windows(layer, shapes))


def avg_pool2d(to: Builder, layer: AvgPool2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """The mean of the samples of each window that lie inside."""
    return to("AveragePool", x, **_windows(layer, shapes))


def scaled_avg_pool2d(
    to: Builder, layer: ScaledAvgPool2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors
) -> str:
    """The mean of each window, times a coefficient, plus a bias."""
    mean = to("AveragePool", x, **_windows(layer, shapes))
    return to("Add", to("Mul", mean, to.per_map("weight", tensors["weight"])), to.per_map("bias", tensors["bias"]))


def global_avg_pool2d(
    to: Builder, layer: GlobalAvgPool2d, x: str, shapes: tuple[Shape, Shape], tensors: Tensors
) -> str:
    """The mean of each map."""
    return to("GlobalAveragePool", x)


def flatten(to: Builder, layer: object, x: str, shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """All maps as one vector."""
    return to("Reshape", x, to.own("shape", np.array([-1, *shapes[1]])))


def add(to: Builder, layer: object, xs: Sequence[str], shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """The sum of all inputs."""
    first, *others = xs
    for other in others:
        first = to("Add", first, other)
    return first


def multiply(to: Builder, layer: object, xs: Sequence[str], shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """The product of two inputs."""
    return to("Mul", *xs)


def concat(to: Builder, layer: object, xs: Sequence[str], shapes: tuple[Shape, Shape], tensors: Tensors) -> str:
    """The maps of all inputs."""
    return to("Concat", *xs, axis=1)
