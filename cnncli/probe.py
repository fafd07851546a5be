"""A network cut off behind one of its layers, as it works in use: outputs, gradients of the input, receptive fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnncli.errors import SpecError
from cnncli.graph import Graph
from cnncli.layers.base import LayerPlan, Shape
from cnncli.layers.conv2d import Conv2d
from cnncli.losses.base import Loss, LossBuffers
from cnncli.network import Network
from cnncli.registry import suggest
from cnncli.spec import INPUT, Node

Arrays = Mapping[str, np.ndarray]
Box = tuple[int, int, int, int]  # first row, row after the last, first column, column after the last


@dataclass(frozen=True, kw_only=True)
class _Given(Loss):
    """Ends a network whose output's gradient is whatever the caller writes into ``network.loss.dx``."""

    def forward(self, b: LossBuffers) -> None:
        b.y[: b.blocks] = b.x[: b.blocks]

    def backward(self, b: LossBuffers) -> None:
        """The gradient is there already."""


class Probe:
    """A network up to one layer, as it works in use (not in training), with the gradient of its input.

    Parameters
    ----------
    graph : Graph
    arrays : mapping of str to ndarray
        Parameters and state.
    layer : str
        The last one.
    batch_size, threads : int
    dtype : {"float32", "float64"}

    Raises
    ------
    SpecError
        If there is no such layer.
    """

    def __init__(
        self,
        graph: Graph,
        arrays: Arrays,
        layer: str,
        batch_size: int = 1,
        threads: int = 1,
        dtype: str = "float32",
    ) -> None:
        check_layer(graph, layer)
        cut = Graph(_before(graph.nodes, layer), graph.in_shape, _Given())
        self.network = Network(cut, batch_size, training=True, dtype=dtype, threads=threads, input_gradient=True)
        self.network.load(arrays)

    def forward(self, images: np.ndarray) -> np.ndarray:
        """The layer's output for preprocessed images; both are (images, channels, rows, columns)."""
        network = self.network
        lanes = np.zeros((network.blocks * network.lanes, *images.shape[1:]), network.dtype)
        lanes[: len(images)] = images
        network.x[...] = np.moveaxis(lanes.reshape(network.blocks, network.lanes, *images.shape[1:]), 1, 4)
        network.set_batch(len(images))
        network.forward()
        return images_of(network.loss.y, network.n)

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient of the input of the last `forward`, for one of the output that is the same for all images."""
        self.network.loss.dx[...] = gradient[..., np.newaxis]
        self.network.backward()
        assert self.network.dx is not None
        return images_of(self.network.dx, self.network.n)


def check_layer(graph: Graph, layer: str) -> None:
    """Refuse a layer that is not there.

    Raises
    ------
    SpecError
    """
    if layer not in graph.plans:
        raise SpecError(f"there is no layer {layer!r}; {suggest(layer, graph.plans)}")


def images_of(maps: np.ndarray, n: int) -> np.ndarray:
    """Copies of images out of their lanes."""
    return np.moveaxis(maps, 4, 1).reshape(-1, *maps.shape[1:4])[:n].copy()


def _before(nodes: Sequence[Node], layer: str) -> list[Node]:
    """The nodes that a layer depends on, and itself, in order."""
    wanted = {layer}
    for node in reversed(nodes):
        if node.name in wanted:
            wanted.update(node.inputs)
    return [node for node in nodes if node.name in wanted]


def receptive_field(graph: Graph, layer: str, unit: tuple[int, int]) -> Box:
    """The part of the image that one unit of a layer sees."""
    boxes: dict[str, Box] = {layer: (unit[0], unit[0] + 1, unit[1], unit[1] + 1)}
    for node in reversed(_before(graph.nodes, layer)):
        box, plan = boxes[node.name], graph.plans[node.name]
        for name in node.inputs:
            shape = graph.shapes[name]
            seen = (*_seen(node, plan, shape, box[:2], 0), *_seen(node, plan, shape, box[2:], 1))
            known = boxes.get(name, seen)
            boxes[name] = (
                min(seen[0], known[0]), max(seen[1], known[1]), min(seen[2], known[2]), max(seen[3], known[3]),
            )  # fmt: skip
    return boxes[INPUT]


def _seen(node: Node, plan: LayerPlan, shape: Shape, span: tuple[int, int], axis: int) -> tuple[int, int]:
    """The rows (columns) of a layer's input that some rows (columns) of its output see, without borders."""
    kernel, jump, size = plan.kernel[axis], plan.jump[axis], shape[1 + axis]
    if (padding := getattr(node.layer, "padding", None)) is not None:
        before = padding[axis]
    else:  # a window about its place where the layer keeps the size (but for its step), else one within the map
        before = (kernel - 1) // 2 if plan.out_shape[1 + axis] * jump >= size > 1 else 0
    return max(0, span[0] * jump - before), min(size, (span[1] - 1) * jump - before + kernel)


def gradient_support(
    graph: Graph, arrays: Arrays, layer: str, unit: tuple[int, int], images: np.ndarray, threads: int = 1
) -> np.ndarray:
    """Mean magnitude of a unit's gradient with respect to each pixel: how much of its field it really uses.

    The unit is that of all maps at its place, each with a weight of its own, so that nothing cancels.

    Parameters
    ----------
    images : ndarray, shape (images, channels, rows, columns)
        Preprocessed.

    Returns
    -------
    ndarray, shape (rows, columns)

    References
    ----------
    Luo et al., "Understanding the effective receptive field in deep convolutional neural networks", NIPS 2016.
    """
    probe = Probe(direct(graph), arrays, layer, len(images), threads)
    probe.forward(images)
    channels = graph.shapes[layer][0]
    seed = np.zeros(graph.shapes[layer])
    seed[:, unit[0], unit[1]] = 1 + np.arange(channels) / channels
    return np.abs(probe.backward(seed)).mean(axis=(0, 1))


def direct(graph: Graph) -> Graph:
    """The same network without Winograd's transforms, whose rounding errors reach pixels that a unit does not see."""
    nodes = [
        replace(node, layer=replace(node.layer, algorithm="direct")) if isinstance(node.layer, Conv2d) else node
        for node in graph.nodes
    ]
    return Graph(nodes, graph.in_shape, graph.loss)
