"""Whole networks: against the oracles layer by layer, and how their memory is shared."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from networks import CLASSES, NETWORKS, SEED, STEP, build, by_oracles, conv, linear, named, prepared
from rig import poison, put, take

from cnncli.network import Network
from cnncli.optimizers.base import Update
from cnncli.optimizers.sgd import Sgd


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 3e-5)])
@pytest.mark.parametrize(("size", "n"), [(8, 5), (33, 33), (96, 70)])
@pytest.mark.parametrize("name", NETWORKS)
def test_step(name: str, size: int, n: int, dtype: str, tolerance: float) -> None:
    network, x, labels = prepared(name, size, n, dtype=dtype, input_gradient=True)
    wanted = by_oracles(named(name), network, x, labels, SEED, STEP)
    for _ in range(2):  # the second time over what the first has left
        poison([network.grad])
        network.forward(training=True, step=STEP)
        np.testing.assert_allclose(network.scores(), wanted.scores, atol=tolerance)
        np.testing.assert_allclose(network.mean_loss(), wanted.loss, rtol=tolerance)
        network.backward()
        assert network.param_grad.keys() == wanted.grads.keys()
        for key, grad in wanted.grads.items():
            largest = max(np.abs(grad).max(), 1e-2)
            np.testing.assert_allclose(network.param_grad[key], grad, atol=tolerance * largest, err_msg=key)
        np.testing.assert_allclose(take(network.dx, n), wanted.dx, atol=tolerance)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORKS)
def test_threads_and_capacity_do_not_matter(name: str) -> None:
    steps = []
    for size, threads in ((600, 1), (600, 2), (700, 4)):
        network, _, _ = prepared(name, size, 600, threads=threads)
        network.forward(training=True, step=STEP)
        network.backward()
        steps.append((network.scores(), np.array(network.mean_loss()), *network.param_grad.values()))
    for other in steps[1:]:
        for found, wanted in zip(other, steps[0], strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_evaluation_needs_no_gradients(name: str) -> None:
    training, _, _ = prepared(name, 33, 33)
    network = Network(training.graph, 33, training=False)
    network.load(training.arrays())
    network.x[...] = training.x
    network.set_targets(training.target[:33])
    for each in (network, training):
        each.forward()
    np.testing.assert_array_equal(network.scores(), training.scores())
    assert network.grad.size == 0
    assert network.dx is None


def test_memory_is_shared_where_it_may_be() -> None:
    network, _, _ = prepared("in place or not", 8, 5)
    y = {node.name: network.buffers(node.name).y for node in network.graph.nodes}
    assert np.shares_memory(y["a"], y["b"])
    assert not np.shares_memory(y["b"], y["c"])  # relu's backward reads its own output
    assert np.shares_memory(y["e"], y["f"])
    assert np.shares_memory(y["f"], y["g"])
    assert np.shares_memory(y["add_1"], y["h"])
    assert not np.shares_memory(y["c"], y["e"])


def test_first_layer_has_no_input_gradient() -> None:
    network, _, _ = prepared("plain", 8, 5)
    assert network.dx is None
    assert network.buffers("conv2d_1").dx is None


def test_a_network_without_parameters_below_runs_no_backward_there() -> None:
    network = Network(build([{"max_pool2d": {"kernel_size": 2}}, "relu", linear(4)], (1, 4, 4)), 8, training=True)
    assert network.buffers("max_pool2d_1").dx is None
    assert network.buffers("relu_1").dy is None
    network.initialize(0)
    network.set_targets(np.zeros(8, np.int32))
    network.forward(training=True)
    network.backward()
    assert np.isfinite(network.grad).all()


def test_initial_weights_depend_on_seed_and_name_only() -> None:
    small = Network(build([{**conv(3), "name": "a"}, linear(4)], (1, 5, 5)), 8, training=False)
    large = Network(build([conv(1, 1), {**conv(3), "name": "a"}, "relu", linear(4)], (1, 5, 5)), 64, training=True)
    for network in (small, large):
        network.initialize(1)
    np.testing.assert_array_equal(small.param["a.weight"], large.param["a.weight"])
    small.initialize(2)
    assert not np.array_equal(small.param["a.weight"], large.param["a.weight"])
    assert not small.param["a.bias"].any()
    twins = Network(
        build([{**conv(3), "name": "a"}, {**conv(3), "name": "b"}, linear(4)], (3, 5, 5)), 8, training=False
    )
    twins.initialize(1)
    assert not np.array_equal(twins.param["a.weight"], twins.param["b.weight"])


def test_load_is_the_reverse_of_arrays() -> None:
    source, _, _ = prepared("residual", 8, 5)
    source.forward(training=True)  # moves the running averages
    target = Network(source.graph, 40, training=True, dtype="float64")
    target.load(source.arrays())
    assert {"batch_norm2d_1.running_mean", "conv2d_1.weight"} <= target.arrays().keys()
    for name, array in source.arrays().items():
        np.testing.assert_array_equal(target.arrays()[name], array)


def test_connection_tables_are_dense_in_files() -> None:
    table = [[1, 0, 1], [0, 1, 1]]
    network = Network(build([conv(3, 2, table=table), linear(4)], (2, 3, 3)), 8, training=True)
    network.initialize(0)
    weight = network.arrays()["conv2d_1.weight"]
    assert weight.shape == (3, 2, 2, 2)
    np.testing.assert_array_equal(weight.any(axis=(2, 3)), np.array(table, bool).T)
    again = Network(network.graph, 8, training=True)
    again.load(network.arrays())
    np.testing.assert_array_equal(again.theta, network.theta)


@pytest.mark.parametrize("n", [1, 31, 32, 33, 64, 65, 96])
def test_mean_loss(n: int) -> None:
    network, _, _ = prepared("plain", 96, 96)
    network.set_batch(n)
    network.loss.losses[:] = np.nan
    values = np.random.default_rng(n).normal(size=n)
    network.loss.losses[: network.loss.blocks * 32] = 0
    network.loss.losses[:n] = values
    assert network.mean_loss() == pytest.approx(values.mean(), rel=1e-12)


@pytest.mark.parametrize(("size", "n"), [(8, 5), (96, 70)])
def test_hits(size: int, n: int) -> None:
    """The highest score, the first of equal ones, is at the target."""
    network, _, labels = prepared("plain", size, n)
    scores = np.random.default_rng(n).integers(0, 3, (n, CLASSES, 1, 1))
    put(network.loss.y, scores, unused=9.0)
    assert network.hits() == (scores[:, :, 0, 0].argmax(axis=1) == labels).sum()


def test_frozen_layers_stay_as_they_are() -> None:
    model = [{**conv(3), "frozen": True}, conv(2), {**conv(3), "frozen": True, "name": "late"}, linear(4)]
    network = Network(build(model, (1, 8, 8)), 8, training=True)
    network.initialize(0)
    assert network.buffers("conv2d_2").dx is None  # nothing below is trained
    assert network.buffers("late").dx is not None
    rates = dict(zip(network.param, network.segments.rates, strict=True))
    assert {name for name, rate in rates.items() if rate == 0} == {
        "conv2d_1.weight", "conv2d_1.bias", "late.weight", "late.bias",
    }  # fmt: skip
    network.set_targets(np.zeros(8, np.int32))
    before = {name: array.copy() for name, array in network.param.items()}
    optimizer, segments = Sgd(weight_decay=0.1), network.segments
    update = Update(
        network.theta, network.grad, {}, segments.ends, segments.rates, segments.decays, network.kernels, 1
    )  # fmt: skip
    network.x[...] = 1
    for _ in range(2):
        network.forward(training=True)
        network.backward()
        optimizer.step(update, 0.1, 1)
    for name, array in network.param.items():
        assert np.array_equal(array, before[name]) == (rates[name] == 0), name


def test_a_frozen_batch_normalisation_is_that_of_evaluation() -> None:
    """As in PyTorch: it uses the averages it has, and keeps them; what lies below it is trained through it."""
    model = [conv(3), {"batch_norm2d": {}, "frozen": True}, {"dropout": {"p": 0.5}, "frozen": True}, linear(4)]
    network = Network(build(model, (1, 6, 6)), 16, training=True, dtype="float64")
    network.initialize(0)
    rng = np.random.default_rng(0)
    put(network.x, rng.normal(size=(16, 1, 6, 6)), unused=0.0)
    network.set_targets(rng.integers(0, CLASSES, 16, np.int32))
    averages = {name: array for name, array in network.state.items() if name.startswith("batch_norm2d_1")}
    assert len(averages) == 2
    for array in averages.values():
        array[...] = rng.uniform(0.5, 2, array.shape)
    before = {name: array.copy() for name, array in averages.items()}
    network.forward()
    scores = network.scores()
    network.forward(training=True, step=1)
    np.testing.assert_array_equal(network.scores(), scores)
    for name, array in averages.items():
        np.testing.assert_array_equal(array, before[name])
    network.backward()
    weight, slopes = network.param["conv2d_1.weight"], network.param_grad["conv2d_1.weight"].copy()

    def loss(step: float, place: tuple[int, ...]) -> float:
        weight[place] += step
        network.forward(training=True, step=1)
        weight[place] -= step
        return network.mean_loss()

    for place in np.ndindex(weight.shape):
        difference = (loss(1e-5, place) - loss(-1e-5, place)) / 2e-5
        assert slopes[place] == pytest.approx(difference, rel=1e-6, abs=1e-8)


def test_a_training_step_allocates_next_to_nothing() -> None:
    model = [conv(16, padding=1), "batch_norm2d", "relu", {"max_pool2d": {"kernel_size": 2}}, "dropout", linear(4)]
    network = Network(build(model, (3, 16, 16)), 64, training=True)
    network.initialize(0)
    network.set_targets(np.zeros(64, np.int32))
    optimizer, segments = Sgd(momentum=0.9), network.segments
    update = Update(
        network.theta, network.grad, {"velocity": np.zeros_like(network.theta)}, segments.ends, segments.rates,
        segments.decays, network.kernels, 1,
    )  # fmt: skip

    def step() -> None:
        network.forward(training=True, step=1)
        network.mean_loss()
        network.backward()
        optimizer.step(update, 0.1, 1)

    step()  # loads kernels
    activations = sum(b.y.nbytes for b in map(network.buffers, network.graph.plans))
    assert activations > 1_500_000
    tracemalloc.start()
    try:
        for _ in range(3):
            step()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000
    assert kept < 10_000
