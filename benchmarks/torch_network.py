"""A network of ours as a PyTorch module, with the same weights.

Where PyTorch has a faster way to say the same, it is taken: a convolution with a connection table is a full one (the
missing connections start at 0 but are trained, so `tables` tells which gradients to compare), pointwise layers work in
place where ours do, and an activation is dropped after its last reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnncli.graph import Graph
from cnncli.layers._bands import bands, gaussian
from cnncli.layers._contrast import DividingNorm2d, LocalNorm2d
from cnncli.layers._copy import Copy
from cnncli.layers._pool2d import Pool2d
from cnncli.layers.abs import Abs
from cnncli.layers.add import Add
from cnncli.layers.avg_pool2d import AvgPool2d
from cnncli.layers.base import Layer
from cnncli.layers.batch_norm2d import BatchNorm2d
from cnncli.layers.concat import Concat
from cnncli.layers.conv2d import Conv2d
from cnncli.layers.dropout import Dropout
from cnncli.layers.flatten import Flatten
from cnncli.layers.gain import Gain
from cnncli.layers.global_avg_pool2d import GlobalAvgPool2d
from cnncli.layers.leaky_relu import LeakyRelu
from cnncli.layers.linear import Linear
from cnncli.layers.max_pool2d import MaxPool2d
from cnncli.layers.relu import Relu
from cnncli.layers.scaled_avg_pool2d import ScaledAvgPool2d
from cnncli.layers.sigmoid import Sigmoid
from cnncli.layers.softplus import Softplus
from cnncli.layers.tanh import Tanh
from cnncli.registry import name_of
from cnncli.spec import INPUT

Arrays = Mapping[str, np.ndarray]


class TorchNetwork(nn.Module):
    """The layers of a graph in its order.

    Parameters
    ----------
    graph : Graph
    arrays : mapping of str to ndarray
        Parameters and state by ``<node>.<tensor>``, as `Network.arrays` gives them.

    Raises
    ------
    ValueError
        A layer has no form in PyTorch.
    """

    def __init__(self, graph: Graph, arrays: Arrays) -> None:
        super().__init__()
        self.names = [node.name for node in graph.nodes]
        place = {INPUT: 0} | {name: i + 1 for i, name in enumerate(self.names)}
        self.inputs = [[place[name] for name in node.inputs] for node in graph.nodes]
        last = {i: step for step, inputs in enumerate(self.inputs) for i in inputs}
        self.dropped = [[i for i, end in last.items() if end == step] for step in range(len(self.names))]
        self.layers = nn.ModuleList()
        for node in graph.nodes:
            plan = graph.plans[node.name]
            module = module_of(node.layer, graph.shapes[node.inputs[0]], graph.in_place(node))
            for key in plan.params:
                tensor = torch.from_numpy(np.array(arrays[f"{node.name}.{key}"], np.float32))
                module.register_parameter(key, nn.Parameter(tensor, requires_grad=not node.frozen))
            for key in plan.state:
                module.register_buffer(key, torch.from_numpy(np.array(arrays[f"{node.name}.{key}"], np.float32)))
            self.layers.append(module)
        params = graph.params.items()
        self.tables = {name: param.used[:, :, None, None] for name, param in params if param.used is not None}
        self.spared = {name for name, param in params if not param.decay}

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (N, classes) of images (N, channels, height, width)."""
        values: list[Tensor | None] = [x]
        for layer, inputs, dropped in zip(self.layers, self.inputs, self.dropped, strict=True):
            values.append(layer(*[values[i] for i in inputs]))
            for i in dropped:
                values[i] = None
        return cast(Tensor, values[-1]).flatten(1)

    def tensors(self) -> dict[str, nn.Parameter]:
        """Trained parameters by the names they have in ours."""
        return {self.named(name): tensor for name, tensor in self.named_parameters() if tensor.requires_grad}

    def gradients(self) -> dict[str, np.ndarray]:
        """Gradients by name, those of connections that ours does not have as 0."""
        found = {name: tensor.grad.numpy() for name, tensor in self.tensors().items()}
        return {name: g * self.tables[name] if name in self.tables else g for name, g in found.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Running statistics by name."""
        return {self.named(name): tensor.numpy() for name, tensor in self.named_buffers() if "running" in name}

    def named(self, name: str) -> str:
        """``layers.3.weight`` as ``<node>.weight``."""
        _, index, key = name.split(".")
        return f"{self.names[int(index)]}.{key}"


class Function(nn.Module):
    """A layer as a function of the module (which holds its parameters) and its inputs."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *xs: Tensor) -> Tensor:
        return self.function(self, *xs)


@singledispatch
def module_of(layer: Layer, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    """The PyTorch module of a layer for inputs of a shape; parameters are registered by the caller."""
    raise ValueError(f"layer {name_of(layer)} has no form in PyTorch here; add it to benchmarks/torch_network.py")


@module_of.register
def _(layer: Conv2d, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    pad_h, pad_w = layer.padding
    shifted = layer.pad_value != 0 and (pad_h or pad_w)
    options = {
        "stride": layer.stride, "padding": 0 if shifted else layer.padding, "dilation": layer.dilation,
        "groups": layer.groups,
    }  # fmt: skip

    def convolve(own: nn.Module, x: Tensor) -> Tensor:
        weight = own.weight.flip(2, 3) if layer.flip else own.weight
        if shifted:
            x = F.pad(x, (pad_w, pad_w, pad_h, pad_h), value=layer.pad_value)
        if layer.bias == "matrix":
            return F.conv2d(x, weight, **options) + own.bias
        return F.conv2d(x, weight, getattr(own, "bias", None), **options)

    return Function(convolve)


@module_of.register
def _(layer: Linear, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    return Function(lambda own, x: F.linear(x.flatten(1), own.weight, getattr(own, "bias", None)))


@module_of.register
def _(layer: BatchNorm2d, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    return nn.BatchNorm2d(shape[0], layer.eps, layer.momentum)


@module_of.register
def _(layer: Pool2d, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    options = {"stride": layer.stride, "padding": layer.padding, "ceil_mode": layer.ceil_mode}
    if isinstance(layer, MaxPool2d):
        return nn.MaxPool2d(layer.kernel_size, **options)
    mean = nn.AvgPool2d(layer.kernel_size, **options, count_include_pad=False)
    if isinstance(layer, AvgPool2d):
        return mean
    if isinstance(layer, ScaledAvgPool2d):
        return Function(lambda own, x: torch.addcmul(maps(own.bias), mean(x), maps(own.weight)))
    raise ValueError(f"layer {name_of(layer)} has no form in PyTorch here")


@module_of.register
def _(layer: LocalNorm2d, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    taps, border = gaussian(layer.kernel_size, layer.sigma), layer.border
    across = layer.across == "all"

    def window(rows: int, columns: int) -> Callable[[Tensor], Tensor]:
        left, right = matrix(bands(rows, taps, border), rows), matrix(bands(columns, taps, border), columns).T
        return lambda x: left @ (x.mean(1, keepdim=True) if across else x) @ right

    lost = (layer.kernel_size - 1) // 2 * (border == "valid")
    first = window(*shape[1:])
    second = window(*(size - 2 * lost * layer.subtract for size in shape[1:]))

    def normalize(own: nn.Module, x: Tensor) -> Tensor:
        if layer.subtract:
            x = inner(x, lost) - first(x)
        if isinstance(layer, DividingNorm2d) and layer.divide:
            deviation = second(x.square()).sqrt()
            floor = deviation.mean((2, 3), keepdim=True) if layer.floor == "mean" else torch.tensor(float(layer.floor))
            x = inner(x, lost) / torch.maximum(deviation, floor).clamp_min(1e-6)
        return x

    return Function(normalize)


@module_of.register
def _(layer: Relu, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    return nn.ReLU(inplace=in_place)


@module_of.register
def _(layer: LeakyRelu, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    return nn.LeakyReLU(layer.slope, inplace=in_place)


@module_of.register
def _(layer: Dropout, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    return nn.Dropout(layer.p)


@module_of.register
def _(layer: Tanh, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    if (layer.A, layer.S) == (1.0, 1.0):
        return nn.Tanh()
    return Function(lambda own, x: layer.A * torch.tanh(layer.S * x))


@module_of.register
def _(layer: Gain, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    if layer.value is not None:
        return Function(lambda own, x: layer.value * x)
    return Function(lambda own, x: maps(own.weight) * x)


@module_of.register
def _(layer: Softplus, shape: tuple[int, int, int], in_place: bool) -> nn.Module:
    if layer.trained:
        return Function(lambda own, x: F.softplus(own.k * x) / own.k)
    return nn.Softplus(beta=layer.k)


def maps(vector: Tensor) -> Tensor:
    """One number for each map, or for all, in a shape that meets maps."""
    return vector.view(1, -1, 1, 1)


def matrix(banded: tuple[np.ndarray, np.ndarray], size: int) -> Tensor:
    """A matrix of `bands` with all its zeros."""
    index, weights = banded
    rows = len(index) - len(weights) - 1
    dense = np.zeros((rows, size), np.float32)
    dense[np.repeat(np.arange(rows), np.diff(index[: rows + 1])), index[rows + 1 :]] = weights
    return torch.from_numpy(dense)


def inner(x: Tensor, lost: int) -> Tensor:
    """Maps without their border."""
    return x[:, :, lost : x.shape[2] - lost, lost : x.shape[3] - lost]


SIMPLE: dict[type[Layer], Callable[..., Tensor]] = {
    Abs: torch.abs,
    Add: lambda *xs: sum(xs[1:], start=xs[0]),
    Concat: lambda *xs: torch.cat(xs, 1),
    Copy: lambda x: x,
    Flatten: lambda x: x.flatten(1),
    GlobalAvgPool2d: lambda x: x.mean((2, 3), keepdim=True),
    Sigmoid: torch.sigmoid,
}
for _layer in SIMPLE:
    module_of.register(_layer, lambda layer, shape, in_place: Function(lambda own, *xs: SIMPLE[type(layer)](*xs)))
