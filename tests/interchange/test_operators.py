"""Every layer of the table as elementary operators: in `onnx.reference`, onnxruntime and NumPy, against our kernels."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from cases import CASES, Case

from cnncli import registry
from cnncli.graph import Graph
from cnncli.interchange import onnx_model
from cnncli.interchange.export import run
from cnncli.interchange.network import CONVERTERS, convert
from cnncli.interchange.program import INPUT, OUTPUT, Builder, Program, Step
from cnncli.losses.mean_squared_error import MeanSquaredError
from cnncli.network import Network
from cnncli.spec import INPUT as FIRST
from cnncli.spec import Node


def graph_of(case: Case) -> Graph:
    """The layer behind a fork of the input: several inputs are scaled copies of it, small ones its means."""
    layer: Any = case.layer()
    gain, mean = registry.get("layers", "gain"), registry.get("layers", "global_avg_pool2d")
    conv = registry.get("layers", "conv2d")
    if not type(layer).several_inputs:
        return Graph([Node("layer", layer, (FIRST,))], case.in_shapes[0], MeanSquaredError())
    nodes: list[Node] = []
    for i, shape in enumerate(case.in_shapes):
        nodes.append(Node(f"maps{i}", conv(out_channels=shape[0], kernel_size=(1, 1)), (FIRST,)))
        if shape[1:] == (1, 1) and case.in_shapes[0][1:] != (1, 1):
            nodes.append(Node(f"mean{i}", mean(), (nodes[-1].name,)))
        nodes.append(Node(f"branch{i}", gain(value=1.0 + i), (nodes[-1].name,)))
    branches = tuple(f"branch{i}" for i in range(len(case.in_shapes)))
    return Graph([*nodes, Node("layer", layer, branches)], case.in_shapes[0], MeanSquaredError())


def outputs(case: Case, n: int) -> tuple[np.ndarray, np.ndarray, Program]:
    """Images, what our kernels make of them, and the program."""
    graph = graph_of(case)
    rng = np.random.default_rng(zlib.crc32(str(case).encode()))
    network = Network(graph, n, training=False, fused=False)
    network.initialize(3)
    for array in network.param.values():
        array += rng.normal(0, 0.2, array.shape).astype(array.dtype)
    for name, array in network.state.items():
        array[...] = rng.uniform(0.5, 2, array.shape) if name.endswith("var") else rng.normal(0, 1, array.shape)
    images = rng.normal(0, 1, (n, *graph.in_shape)).astype(np.float32)
    lanes = np.zeros((network.blocks * network.lanes, *graph.in_shape), np.float32)
    lanes[:n] = images
    network.x[...] = np.moveaxis(lanes.reshape(network.blocks, network.lanes, *graph.in_shape), 1, 4)
    network.set_batch(n)
    network.forward()
    y = np.moveaxis(network.buffers("layer").y, 4, 1).reshape(-1, *graph.shapes["layer"])[:n].copy()
    to = Builder()
    last = convert(to, graph, network.arrays(), INPUT)
    to.steps.append(Step("Flatten", (last,), OUTPUT, {"axis": 1}))
    return (
        images,
        y.reshape(n, -1),
        Program(to.steps, to.constants, graph.in_shape, int(np.prod(graph.shapes["layer"]))),
    )


def test_every_layer_has_a_converter() -> None:
    assert set(CONVERTERS) == set(registry.names("layers"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_numbers_elsewhere(case: Case) -> None:
    images, expected, program = outputs(case, 7)
    largest = float(np.abs(expected).max()) or 1.0
    found = run(program, images)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5 * largest
    for name, error in onnx_model.verify(onnx_model.encode(program, {}), images, expected).items():
        assert error <= 1e-5, name
