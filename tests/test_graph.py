"""Shapes, costs, receptive fields and sharing, from plans alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import CASES, Case
from networks import build, conv, linear

from cnncli.errors import ShapeError
from cnncli.graph import Graph
from cnncli.layers._copy import Copy
from cnncli.layers._window import output_size
from cnncli.losses.base import Loss
from cnncli.spec import INPUT, Node

LENET = [
    conv(6, 5, table=[[1] * 6]), {"avg_pool2d": {"kernel_size": 2}}, "relu",
    conv(16, 5, table="lenet5"), {"avg_pool2d": {"kernel_size": 2}}, conv(120, 5), linear(84), linear(10),
]  # fmt: skip


def test_lenet5_counts_what_its_paper_counts() -> None:
    """LeCun et al. 1998, section II.B: trainable parameters and connections of C1, C3, C5, F6."""
    summary = {line.name: line for line in build(LENET, (1, 32, 32)).summary()}
    rows = [summary[name] for name in ("conv2d_1", "conv2d_2", "conv2d_3", "linear_1")]
    assert [row.parameters for row in rows] == [156, 1_516, 48_120, 10_164]
    assert [row.connections for row in rows] == [122_304, 151_600, 48_120, 10_164]
    assert [row.output for row in rows] == [(6, 28, 28), (16, 10, 10), (120, 1, 1), (84, 1, 1)]
    assert [row.receptive_field for row in rows] == [(5, 5), (14, 14), (32, 32), (32, 32)]
    assert [row.multiply_adds for row in rows] == [117_600, 150_000, 48_000, 10_080]
    assert [row.type for row in rows] == ["conv2d", "conv2d", "conv2d", "linear"]
    assert summary["conv2d_1"].bytes == 4 * 6 * 28 * 28


def test_lecun1989_counts_what_its_paper_counts() -> None:
    """LeCun et al., "Backpropagation applied to handwritten zip code recognition", 1989."""
    layers = [
        conv(12, 5, stride=2, padding=2, pad_value=-1.0, bias="matrix"),
        conv(12, 5, stride=2, padding=2, pad_value=-1.0, bias="matrix", table="lecun1989"),
        linear(30),
        linear(10),
    ]
    summary = build(layers, (1, 16, 16)).summary()
    assert [line.connections for line in summary] == [19_968, 38_592, 5_790, 310]
    assert [line.parameters for line in summary] == [1_068, 2_592, 5_790, 310]


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_output_size_is_the_number_of_windows(ceil_mode: bool) -> None:
    """Counted one by one: windows inside the padded map, with `ceil_mode` also one that begins in the map."""
    for size in range(1, 12):
        for kernel in range(1, 5):
            for stride in range(1, 5):
                for padding in range(kernel // 2 + 1):
                    for dilation in (1, 2):
                        reach = dilation * (kernel - 1) + 1
                        if reach > size + 2 * padding:
                            with pytest.raises(ShapeError, match=f"a kernel of {reach} does not fit a map of {size}"):
                                output_size(size, kernel, stride, padding, dilation, ceil_mode)
                            continue
                        last = size + 2 * padding - reach
                        starts = [s for s in range(0, size + 2 * padding, stride) if s <= last]
                        if ceil_mode and starts[-1] < last and starts[-1] + stride < size + padding:
                            starts.append(starts[-1] + stride)
                        assert output_size(size, kernel, stride, padding, dilation, ceil_mode) == len(starts)


@pytest.mark.parametrize("case", [c for c in CASES if c.type in ("conv2d", "linear")], ids=str)
def test_connections_are_multiply_adds_and_biases(case: Case) -> None:
    plan = case.layer().plan(case.in_shapes)
    weights = int(np.prod(plan.params["weight"].shape))
    _, rows, columns = plan.out_shape
    assert plan.macs == weights * rows * columns
    assert plan.connections == plan.macs + (int(np.prod(plan.out_shape)) if "bias" in plan.params else 0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fans(case: Case) -> None:
    """Every tensor says how many inputs feed a unit and how many units an input feeds: at least one."""
    for param in case.layer().plan(case.in_shapes).params.values():
        assert np.all(np.asarray(param.fan_in) >= 1)
        assert np.all(np.asarray(param.fan_out) >= 1)


REFUSED: list[tuple[dict[str, Any], tuple[tuple[int, int, int], ...], str]] = [
    (conv(2, 4), ((1, 3, 9),), "a kernel of 4 does not fit a map of 3"),
    (conv(2, 3, dilation=3, padding=1), ((1, 9, 4),), r"a kernel of 7 does not fit a map of 4 \(with padding 1\)"),
    (conv(3, 1, groups=2), ((4, 3, 3),), r"groups \(2\) must divide both the 4 input maps and the 3 output maps"),
    (conv(4, 1, groups=3), ((4, 3, 3),), r"groups \(3\) must divide"),
    (conv(4, 1, table="one-to-one"), ((3, 3, 3),), "one-to-one needs as many output as input maps"),
    (conv(4, 1, table="lenet5"), ((6, 3, 3),), "table lenet5 is for 6 input and 16 output maps"),
    (conv(2, 1, table=[[1, 0]]), ((1, 3, 3),), "output map 1 sees no input map"),
    (conv(2, 1, groups=2, table="one-to-one"), ((2, 3, 3),), "exclude each other"),
    (conv(2, 1, table={"random": {"fan_in": 3}}), ((2, 3, 3),), "fan_in 3 is more than the 2 input maps"),
    ({"max_pool2d": {"kernel_size": 3, "padding": 2}}, ((1, 5, 5),), "at most half of kernel_size"),
    ({"max_pool2d": {"kernel_size": 300}}, ((1, 300, 300),), "at most 65,535 samples"),
    ({"avg_pool2d": {"kernel_size": [2, 3]}}, ((1, 2, 2),), "a kernel of 3 does not fit a map of 2"),
    ({"add": {}}, ((1, 2, 3), (1, 3, 2)), "inputs must have one shape"),
    ({"concat": {}}, ((1, 2, 3), (1, 3, 2)), "inputs must agree in height and width"),
]


@pytest.mark.parametrize(("entry", "in_shapes", "message"), REFUSED)
def test_shapes_that_do_not_fit(entry: dict[str, Any], in_shapes: Any, message: str) -> None:
    ((kind, options),) = entry.items()
    with pytest.raises(ShapeError, match=message):
        Case(kind, options, in_shapes).layer().plan(in_shapes)


def test_two_borders_round_one_input_take_a_copy() -> None:
    options = {"a": (1, 1.0), "b": (2, 1.0), "c": (1, 0.0), "d": (0, 0.0)}
    graph = Graph(
        [
            Node(name, Case("conv2d", conv(1, padding=padding, pad_value=value)["conv2d"], ()).layer(), (INPUT,))
            for name, (padding, value) in options.items()
        ],
        (1, 5, 5),
        Loss(),
    )
    copies = [node for node in graph.nodes if isinstance(node.layer, Copy)]
    assert [graph.readers[copy.name] for copy in copies] == [["c"]]
    assert graph.readers[INPUT] == ["a", "b", copies[0].name, "d"]


def test_gradients_are_computed_only_where_they_serve() -> None:
    model: list[Any] = [
        {"max_pool2d": {"kernel_size": 1}, "name": "a"},
        {"relu": {}, "name": "b"},
        {**conv(1), "name": "c"},
        {"relu": {}, "name": "d"},
    ]
    graph = build(model, (1, 3, 3))
    assert graph.needs_gradient() == {INPUT: False, "a": False, "b": False, "c": True, "d": True}
    assert set(graph.needs_gradient(input_gradient=True).values()) == {True}


def test_receptive_field_of_branches_is_the_larger() -> None:
    model: list[Any] = [
        {**conv(1, 3, stride=2, padding=1), "name": "a"},
        {**conv(1, [1, 3], padding=[0, 1]), "name": "b"},
        {"add": {}, "inputs": ["a", "b"], "name": "c"},
        {**conv(1, 3, dilation=2, padding=2), "name": "d"},
    ]
    fields = build(model, (1, 9, 9)).receptive_fields()
    assert [fields[name] for name in ("a", "b", "c", "d")] == [(3, 3), (3, 7), (3, 7), (11, 15)]
