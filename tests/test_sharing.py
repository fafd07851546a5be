"""Layers that work with the tensors of another one: `share`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from specs import load, problems

from cnncli import spec
from cnncli.gradcheck import check_graph
from cnncli.graph import Graph
from cnncli.network import Network
from cnncli.spec import from_resolved, resolved

SHARED = """\
data: {image: {size: [6, 6], channels: 3}, classes: 3}
blocks:
  step: {layers: [{conv2d: {out_channels: 3, kernel_size: 3, padding: 1}}, batch_norm2d, tanh]}
model:
  - step
  - step:
    share: step_1
  - conv2d: {out_channels: 4, kernel_size: 3, padding: 1, table: {random: {fan_in: 2}}}
    name: first
    inputs: step_1
  - conv2d: {out_channels: 4, kernel_size: 3, padding: 1, stride: 2, table: {random: {fan_in: 2}}}
    name: second
    inputs: step_2
    share: first
  - max_pool2d: {kernel_size: 2}
    inputs: first
  - add:
    inputs: [second, max_pool2d_1]
  - linear: {out_features: 3}
"""


def _graph(run: spec.RunSpec) -> Graph:
    assert run.data.in_shape is not None
    return Graph(run.model, run.data.in_shape, run.loss)


def _network(graph: Graph, **options: bool) -> Network:
    network = Network(graph, 40, dtype="float64", seed=1, **options)  # type: ignore[arg-type]
    network.initialize(1)
    network.x[...] = np.random.default_rng(0).normal(size=network.x.shape)
    network.set_targets(np.arange(40, dtype=np.int32) % 3)
    return network


def test_tensors_are_there_once(tmp_path: Path) -> None:
    graph = _graph(load(tmp_path, SHARED))
    names = {"step_1.conv2d_1.weight", "step_1.conv2d_1.bias", "first.weight", "first.bias"}
    names |= {f"step_1.batch_norm2d_1.{key}" for key in ("weight", "bias", "running_mean", "running_var")}
    names |= {"linear_1.weight", "linear_1.bias"}
    assert set(graph.stored_shapes()) == names
    network = _network(graph, training=True)
    assert set(network.arrays()) == names
    assert sum(line.parameters for line in graph.summary()) == sum(array.size for array in network.param.values())
    assert {line.name for line in graph.summary() if line.parameters} == {name.rpartition(".")[0] for name in names}


def test_gradients_are_right(tmp_path: Path) -> None:
    reports = list(check_graph(_graph(load(tmp_path, SHARED))))
    assert {report.layer for report in reports} >= {"step_1.conv2d_1", "step_1.batch_norm2d_1", "first"}
    assert max(report.error for report in reports) < 1e-6
    assert all(report.checked for report in reports)


def test_they_are_the_sums_of_those_of_layers_of_their_own(tmp_path: Path) -> None:
    shared = _network(_graph(load(tmp_path, SHARED)), training=True)
    own = _network(
        _graph(load(tmp_path, SHARED.replace("    share: step_1\n", "").replace("    share: first\n", ""))),
        training=True,
    )
    for name, array in own.param.items():
        array[...] = shared.param[name.replace("step_2", "step_1").replace("second", "first")]
    for network in (shared, own):
        network.forward(training=True)
        network.backward()
    assert shared.mean_loss() == own.mean_loss()
    for name, other in (
        ("step_1.conv2d_1", "step_2.conv2d_1"),
        ("step_1.batch_norm2d_1", "step_2.batch_norm2d_1"),
        ("first", "second"),
    ):
        for key in ("weight", "bias"):
            total = own.param_grad[f"{name}.{key}"] + own.param_grad[f"{other}.{key}"]
            np.testing.assert_allclose(shared.param_grad[f"{name}.{key}"], total, rtol=1e-9, atol=1e-12)
    mean = own.state["step_1.batch_norm2d_1.running_mean"] * 0.9 + own.state["step_2.batch_norm2d_1.running_mean"]
    np.testing.assert_allclose(shared.state["step_1.batch_norm2d_1.running_mean"], mean)


def test_evaluation_folds_nothing_that_is_shared(tmp_path: Path) -> None:
    graph = _graph(load(tmp_path, SHARED))
    network = _network(graph, training=False)
    network.forward()
    use = Network.for_use(graph, {name: array.copy() for name, array in network.arrays().items()}, 40)
    use.x[...] = network.x
    use.set_targets(np.arange(40, dtype=np.int32) % 3)
    use.forward()
    np.testing.assert_allclose(use.scores(), network.scores(), atol=1e-5)


def test_frozen_with_their_owner(tmp_path: Path) -> None:
    graph = _graph(load(tmp_path, SHARED.replace("    name: first", "    frozen: true\n    name: first")))
    assert {node.name for node in graph.nodes if node.frozen} == {"first", "second"}
    network = _network(graph, training=True)
    assert {name for name, param in graph.params.items() if param.rate == 0} == {"first.weight", "first.bias"}
    network.forward(training=True)
    network.backward()
    assert np.isfinite(network.grad).all()


def test_resolved_it_is_the_same(tmp_path: Path) -> None:
    run = load(tmp_path, SHARED)
    assert from_resolved(resolved(run)) == run
    assert {node.name: node.share for node in run.model if node.share and node.name.startswith("s")} == {
        "step_2.conv2d_1": "step_1.conv2d_1",
        "step_2.batch_norm2d_1": "step_1.batch_norm2d_1",
        "step_2.tanh_1": "step_1.tanh_1",
        "second": "first",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("share: first", "share: frist", "14:12: model.second.share: there is no layer 'frist'; did you mean 'first'?"),
        ("share: first", "share: linear_1", "14:12: model.second.share: must be another layer of its type, conv2d"),
        ("share: first", "share: second", "14:12: model.second.share: must be another layer of its type, conv2d"),
        ("share: first", "share: [first]", "14:12: model.second.share: must be the name of a layer, found ['first']"),
        ("share: first", "share: step_2.conv2d_1", "itself shares the weights of 'step_1.conv2d_1'; name that one"),
        ("share: first", "share: first\n    frozen: true", "are trained is said at 'first', found frozen here"),
        ("share: first", "share: step_1.conv2d_1", "14:12: model.second.share: must have the tensors of "
         "step_1.conv2d_1, "
         "weight (3, 3, 3, 3), bias (3,), has weight (4, 3, 3, 3), bias (4,)"),
        ("share: step_1", "share: step_3", "there is no layer 'step_3.conv2d_1'; did you mean 'step_1.conv2d_1'?"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert any(message in line for line in problems(tmp_path, SHARED.replace(old, new, 1)))
