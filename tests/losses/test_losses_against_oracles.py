"""Every loss: values, scores and gradients against the plain functions of `reference`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import reference
from rig import poison, put, take

from cnncli import _fast, registry
from cnncli.errors import ShapeError
from cnncli.graph import Graph
from cnncli.layers._copy import Copy
from cnncli.network import Network
from cnncli.spec import INPUT, Node

TOLERANCE = {"float32": 2e-6, "float64": 1e-12}


def _same(outputs: np.ndarray) -> np.ndarray:
    return outputs


@dataclass(frozen=True)
class Oracle:
    """How ``reference.<name>`` stands for a loss.

    Attributes
    ----------
    scores : callable
        From the network's outputs to the scores.
    outputs : callable
        From any numbers to outputs that the loss takes.
    coded : bool
        Whether the loss has targets of its own for each class instead of 0 and 1.
    keywords : tuple of str
        Options that the function takes too.
    """

    scores: Callable[[np.ndarray], np.ndarray] = _same
    outputs: Callable[[np.ndarray], np.ndarray] = _same
    coded: bool = False
    keywords: tuple[str, ...] = ()

    def target(self, loss: Any, labels: np.ndarray, classes: int) -> np.ndarray:
        off, on = loss.targets if self.coded else (0.0, 1.0)
        if smoothing := getattr(loss, "label_smoothing", 0.0):
            off = smoothing / classes
            on = 1 - smoothing + off
        return reference.code_targets(labels, classes, off=off, on=on)


ORACLES = {
    "cross_entropy": Oracle(outputs=reference.softmax),
    "mean_squared_error": Oracle(coded=True),
    "softmax_cross_entropy": Oracle(scores=reference.softmax),
    "sum_squared_error": Oracle(coded=True, keywords=("half",)),
}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "softmax_cross_entropy": [{}, {"label_smoothing": 0.2}],
    "mean_squared_error": [{}, {"targets": (-1.0, 1.5)}],
    "sum_squared_error": [{}, {"half": False, "targets": (-1.0, 1.0)}, {"reduction": "mean"}],
}
CASES = [(name, options) for name in registry.names("losses") for options in OPTIONS.get(name, [{}])]
KERNELS = [(variant, dtype) for variant in _fast.available() for dtype in TOLERANCE]


def build(name: str, options: dict[str, Any], classes: int, batch_size: int, **settings: Any) -> Network:
    """A network of the loss alone."""
    loss = registry.get("losses", name)(**options)
    graph = Graph([Node("copy", Copy(), (INPUT,))], (classes, 1, 1), loss)
    return Network(graph, batch_size, training=True, input_gradient=True, **settings)


def test_every_loss_has_an_oracle() -> None:
    assert set(ORACLES) == set(registry.names("losses"))


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize(("size", "n"), [(1, 1), (8, 5), (33, 33), (96, 70)])
@pytest.mark.parametrize("classes", [2, 10, 137])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_loss(name: str, options: dict[str, Any], classes: int, size: int, n: int, dtype: str, variant: str) -> None:
    rng = np.random.default_rng(classes + n)
    oracle = ORACLES[name]
    outputs = oracle.outputs(3 * rng.normal(size=(n, classes, 1, 1))).astype(np.float32).astype(float)
    labels = rng.integers(0, classes, n, np.int32)
    network = build(name, options, classes, size, dtype=dtype, variant=variant)
    loss, b = network.graph.loss, network.loss
    network.set_targets(labels)
    poison([b.y, b.dx, b.losses])
    put(b.x, outputs, unused=1e3)
    loss.forward(b)
    loss.backward(b)

    target = oracle.target(loss, labels, classes)
    keywords = {keyword: getattr(loss, keyword) for keyword in oracle.keywords}
    wanted = getattr(reference, name)(outputs, target, reduction="none", **keywords)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(b.losses[:n], wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(network.mean_loss(), wanted.mean(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(network.scores(), oracle.scores(outputs)[:, :, 0, 0], rtol=tolerance, atol=tolerance)
    reduction = getattr(loss, "reduction", "mean")
    (gradient,) = getattr(reference, f"{name}_backward")(outputs, target, reduction=reduction, **keywords)
    smallest = tolerance * max(np.abs(gradient).max(), 1 / n)  # a probability near 1 loses digits as p - 1
    np.testing.assert_allclose(take(b.dx, n), gradient, rtol=tolerance, atol=smallest)
    for unused in (take(b.dx[: b.blocks])[n:], b.losses[n : b.blocks * network.lanes]):
        np.testing.assert_array_equal(unused, 0)
    assert np.isfinite(b.y[: b.blocks]).all()


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize(("size", "n"), [(1, 1), (8, 5), (96, 70)])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_images_of_several_classes(
    name: str, options: dict[str, Any], size: int, n: int, dtype: str, variant: str
) -> None:
    """The loss is the sum over classes of the share times the loss of that class; a single share is the plain loss."""
    rng, classes = np.random.default_rng(n), 5
    outputs = ORACLES[name].outputs(3 * rng.normal(size=(n, classes, 1, 1))).astype(np.float32).astype(float)
    shares = rng.random((n, classes)).astype(np.float32) * (rng.random((n, classes)) < 0.6)
    network = build(name, options, classes, size, dtype=dtype, variant=variant)
    loss, b = network.graph.loss, network.loss

    def run(labels: np.ndarray, given: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        network.set_targets(labels, given)
        poison([b.y, b.dx, b.losses])
        put(b.x, outputs, unused=1e3)
        loss.forward(b)
        loss.backward(b)
        for unused in (take(b.dx[: b.blocks])[n:], b.losses[n : b.blocks * network.lanes]):
            np.testing.assert_array_equal(unused, 0)
        return b.losses[:n].copy(), take(b.dx, n)[:, :, 0, 0].copy()

    tolerance = TOLERANCE[dtype]
    alone = [run(np.full(n, label, np.int32), None) for label in range(classes)]
    wanted = np.sum([shares[:, k] * losses for k, (losses, _) in enumerate(alone)], axis=0)
    gradient = np.sum([shares[:, k, np.newaxis] * dx for k, (_, dx) in enumerate(alone)], axis=0)
    losses, dx = run(np.zeros(n, np.int32), shares)
    np.testing.assert_allclose(losses, wanted, rtol=10 * tolerance, atol=10 * tolerance)
    np.testing.assert_allclose(dx, gradient, rtol=10 * tolerance, atol=10 * tolerance * np.abs(gradient).max())
    labels = rng.integers(0, classes, n, np.int32)
    for one, other in zip(run(labels, np.eye(classes)[labels]), run(labels, None), strict=True):
        np.testing.assert_allclose(one, other, rtol=10 * tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_softmax_of_extreme_outputs(dtype: str) -> None:
    network = build("softmax_cross_entropy", {}, 3, 4, dtype=dtype)
    outputs = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e30, 0, 0], [0, 0, -1e30]])
    put(network.x, outputs[:, :, None, None], unused=0)
    network.set_targets(np.array([1, 2, 0, 2], np.int32))
    network.forward()
    np.testing.assert_allclose(
        network.scores(), np.array([[1, 0, 0], 3 * [1 / 3], [1, 0, 0], [0.5, 0.5, 0]]), rtol=1e-6
    )
    np.testing.assert_allclose(network.loss.losses[:4], [2e4, np.log(3), 0, 1e30], rtol=1e-6)
    network.backward()
    assert network.dx is not None
    assert np.isfinite(network.dx).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", registry.names("losses"))
def test_broken_outputs_show_in_the_loss(name: str, bad: float) -> None:
    """Training must see that it diverged, wherever in the batch."""
    labels = np.array([0, 1, 2, 0, 1], np.int32)
    for place in np.ndindex(5, 3):
        network = build(name, {}, 3, 5)
        if network.graph.loss.of_probabilities and place[1] != labels[place[0]]:
            continue  # only the target's probability enters
        outputs = np.zeros((5, 3))
        outputs[place] = bad
        put(network.x, outputs[:, :, None, None], unused=0)
        network.set_targets(labels)
        network.forward()
        assert not np.isfinite(network.mean_loss())


@pytest.mark.parametrize("name", registry.names("losses"))
def test_scores_without_targets(name: str) -> None:
    network = build(name, {}, 3, 5)
    outputs = np.random.default_rng(0).normal(size=(5, 3, 1, 1))
    put(network.x, outputs, unused=0)
    network.set_targets(np.zeros(5, np.int32))
    network.forward()
    with_targets = network.scores()
    network.loss.target = None
    network.forward()
    np.testing.assert_array_equal(network.scores(), with_targets)


@pytest.mark.parametrize("name", registry.names("losses"))
def test_the_network_must_end_in_one_unit_per_class(name: str) -> None:
    loss = registry.get("losses", name)()
    loss.plan((10, 1, 1), 10)
    loss.plan((10, 1, 1), None)
    with pytest.raises(ShapeError, match="9 outputs, the data has 10 classes"):
        loss.plan((9, 1, 1), 10)
    with pytest.raises(ShapeError, match="ends in maps of 2x1"):
        loss.plan((10, 2, 1), 10)
