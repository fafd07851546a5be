"""Networks that compute less for the same results."""

from __future__ import annotations

import numpy as np
import pytest
from networks import NETWORKS, STEP, build, conv, linear, prepared
from rig import put

from cnncli.network import Network


@pytest.mark.parametrize("name", NETWORKS)
def test_fusing_and_shared_memory_leave_every_bit(name: str) -> None:
    answers = []
    for fused in (True, False):
        network, _, _ = prepared(name, 40, 35, input_gradient=True, fused=fused)
        for _ in range(2):
            network.forward(training=True, step=STEP)
            network.backward()
        answers.append([network.scores(), network.dx, *network.param_grad.values(), *network.state.values()])
    for found, wanted in zip(*answers, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_subsampling_moves_into_the_convolution_before_it() -> None:
    network, _, _ = prepared("skipping", 8, 8)
    apart, _, _ = prepared("skipping", 8, 8, fused=False)
    assert not [node.name for node in network.graph.nodes if node.name.startswith("subsample2d")]
    assert network.graph.shapes["tanh_1"] == apart.graph.shapes["subsample2d_2"]
    assert sum(plan.macs for plan in network.graph.plans.values()) < 0.4 * sum(
        plan.macs for plan in apart.graph.plans.values()
    )
    assert {name: a.shape for name, a in network.arrays().items()} == {
        name: a.shape for name, a in apart.arrays().items()
    }


def test_samples_that_somebody_else_reads_are_computed() -> None:
    model = [
        {**conv(3, padding=1), "name": "whole"},
        {"subsample2d": {}, "name": "some"},
        {**conv(3, stride=2, padding=1), "name": "other", "inputs": "whole"},
        {"add": {}, "inputs": ["some", "other"]},
        linear(4),
    ]
    network = Network(build(model, (2, 6, 6)), 4, training=True)
    assert network.graph.shapes["whole"] == (3, 6, 6)


def test_a_relu_is_left_to_the_layer_before_it() -> None:
    network, _, _ = prepared("residual blocks", 8, 8)
    assert network.fused == {"batch_norm2d_1": "stem", "batch_norm2d_2": "relu_2", "add_1": "middle", "add_2": "end"}


@pytest.mark.parametrize("bias", ["none", "map", "matrix"])
@pytest.mark.parametrize("table", ["full", "one-to-one"])
def test_batch_normalisation_is_folded_into_the_convolution_before_it(bias: str, table: str) -> None:
    model = [
        {**conv(3, padding=1, bias=bias, table=table), "name": "a"},
        {"batch_norm2d": {"eps": 1e-3}, "name": "n"},
        {"relu": {}, "name": "r"},
        {**conv(4), "name": "b"},
        {"batch_norm2d": {}, "name": "m"},
        {**conv(4, kernel=1), "name": "c", "inputs": "b"},
        {"add": {}, "inputs": ["m", "c"]},
        linear(4),
    ]
    network = Network(build(model, (3, 5, 6)), 16, training=True, dtype="float32")
    network.initialize(1)
    rng = np.random.default_rng(0)
    for array in [*network.param.values(), *network.state.values()]:
        array[...] = rng.uniform(0.5, 1.5, array.shape) * (1 if array.dtype == np.float64 else rng.choice([-1, 1]))
    network.param["linear_1.weight"][...] *= 0.01
    images = rng.normal(size=(16, 3, 5, 6))
    use = Network.for_use(build(model, (3, 5, 6)), network.arrays(), 16)
    names = {node.name for node in use.graph.nodes}
    assert ("n" in names) == (bias == "matrix")
    assert "m" in names  # somebody else reads what it normalises
    scores = []
    for net in (network, use):
        put(net.x, images, unused=0.0)
        net.set_targets(np.zeros(16, np.int32))
        net.forward()
        scores.append(net.scores())
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-5)
    assert np.ptp(scores[0], axis=0).max() > 1e-3
