"""Networks cut off behind a layer: outputs, gradients against differences, receptive fields against gradients."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Case
from networks import NETWORKS, build, conv, linear, named

from cnncli import registry
from cnncli.errors import SpecError
from cnncli.graph import Graph
from cnncli.losses.base import Loss
from cnncli.network import Network
from cnncli.probe import Probe, check_layer, gradient_support, receptive_field
from cnncli.spec import INPUT, Node

DEEP = [
    conv(3, padding=1), "batch_norm2d", "relu", {"max_pool2d": {"kernel_size": 2}}, {"dropout": {"p": 0.5}},
    conv(4, kernel=[2, 3], stride=[1, 2]), {"avg_pool2d": {"kernel_size": 2, "stride": 1}}, linear(5),
]  # fmt: skip


def arrays(graph: Graph) -> dict[str, np.ndarray]:
    """Parameters as they start, and running averages that matter."""
    network = Network(graph, 1, training=False)
    network.initialize(seed=1)
    rng = np.random.default_rng(0)
    for name, array in network.state.items():
        array[...] = rng.uniform(0.5, 2, array.shape) if name.endswith("var") else rng.normal(size=array.shape)
    return {name: array.astype(np.float64) for name, array in network.arrays().items()}


def images(graph: Graph, count: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(count, *graph.in_shape))


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_network_in_use(name: str) -> None:
    graph = named(name)
    network = Network(graph, 3, training=False, dtype="float64")
    network.load(arrays(graph))
    x = images(graph, 3)
    probe = Probe(graph, arrays(graph), graph.output, 3, dtype="float64")
    y = probe.forward(x)
    network.x[0, ..., :3] = np.moveaxis(x, 0, 3)
    network.forward()
    np.testing.assert_allclose(y[..., 0, 0], np.moveaxis(network.loss.x[0, :, 0, 0, :3], 1, 0), rtol=1e-12)


@pytest.mark.parametrize("name", [*NETWORKS, "deep"])
def test_gradients_against_differences(name: str) -> None:
    graph = build(DEEP, (2, 9, 12)) if name == "deep" else named(name)
    probe = Probe(graph, arrays(graph), graph.output, 2, dtype="float64")
    x = images(graph, 2)
    towards = np.random.default_rng(2).normal(size=graph.shapes[graph.output])
    probe.forward(x)
    gradient = probe.backward(towards)
    step = 1e-6
    for place in [(0, 0, 0, 0), (1, 0, 1, 2), (0, graph.in_shape[0] - 1, 2, 1)]:
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            values.append(float((probe.forward(moved) * towards).sum()))
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(gradient[place], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", [*NETWORKS, "deep"])
def test_fields_hold_all_gradients(name: str) -> None:
    graph = build(DEEP, (2, 9, 12)) if name == "deep" else named(name)
    for layer, (_, rows, columns) in graph.shapes.items():
        if layer == INPUT or layer.endswith(":input"):
            continue
        for unit in {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2)}:
            top, bottom, left, right = receptive_field(graph, layer, unit)
            support = gradient_support(graph, arrays(graph), layer, unit, images(graph, 32))
            largest = support[top:bottom, left:right].max()
            assert largest > 0
            support[top:bottom, left:right] = 0
            assert support.max() <= 1e-5 * largest, f"{layer} {unit}"  # Winograd's zeros are sums that cancel
            height, width = graph.receptive_fields()[layer]
            assert bottom - top <= height
            assert right - left <= width


# A floor that is a mean over the image reaches every pixel, and Sobel's taps cancel where the border is reflected.
LOOSE = {"contrast_norm2d", "divisive_norm2d", "fixed_filter2d"}
LAYERS = [
    Case(name, example.options, example.in_shapes)
    for name in registry.names("layers")
    for example in registry.get("layers", name).examples  # type: ignore[attr-defined]
    if not registry.get("layers", name).several_inputs  # type: ignore[attr-defined]
    and name not in LOOSE
    and "dilation" not in example.options  # whose first tap may lie in the border
]


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_fields_of_every_layer_are_tight(case: Case) -> None:
    """Each field is the smallest box round the gradients of enough images."""
    graph = Graph([Node("layer", case.layer(), (INPUT,))], case.in_shapes[0], Loss())
    _, rows, columns = graph.shapes["layer"]
    for unit in {(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 2)}:
        box = receptive_field(graph, "layer", unit)
        support = gradient_support(graph, arrays(graph), "layer", unit, images(graph, 64))
        seen = support > 1e-5 * support.max()  # Winograd's zeros are sums that cancel
        down, across = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        assert (down[0], down[-1] + 1, across[0], across[-1] + 1) == box


def test_fields_grow_by_kernel_and_stride() -> None:
    graph = build([conv(2), {"max_pool2d": {"kernel_size": 2}}, conv(2), conv(1, padding=2, kernel=5)], (1, 20, 20))
    assert receptive_field(graph, "conv2d_1", (4, 5)) == (4, 7, 5, 8)
    assert receptive_field(graph, "max_pool2d_1", (2, 0)) == (4, 8, 0, 4)
    assert receptive_field(graph, "conv2d_2", (1, 1)) == (2, 10, 2, 10)
    assert receptive_field(graph, "conv2d_3", (0, 3)) == (0, 12, 2, 18)


def test_only_what_a_layer_needs_is_computed() -> None:
    graph = named("residual")
    probe = Probe(graph, arrays(graph), "stem")
    assert [node.name for node in probe.network.graph.nodes] == ["conv2d_1", "batch_norm2d_1", "stem"]


def test_layers_that_are_not_there() -> None:
    with pytest.raises(SpecError, match="there is no layer 'conv1'; did you mean 'conv2d_1'"):
        check_layer(named("plain"), "conv1")
    with pytest.raises(SpecError, match="no layer 'x'"):
        Probe(named("plain"), {}, "x")
