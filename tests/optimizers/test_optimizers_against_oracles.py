"""Every optimizer, step by step, against the plain functions of `reference`; decay and rate differ between segments."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference

from cnncli import _fast, registry
from cnncli.layers.base import Param
from cnncli.optimizers.base import Optimizer, Update
from cnncli.workspace import Segments, aligned

CASES: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"lr": 0.1}),
    ("sgd", {"lr": 0.1, "weight_decay": 0.05}),
    ("sgd", {"lr": 0.1, "momentum": 0.9}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    ("adagrad", {}),
    ("adagrad", {"lr": 0.1, "eps": 1e-2, "weight_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"lr": 0.02, "alpha": 0.9, "eps": 1e-3, "momentum": 0.5, "weight_decay": 0.1}),
    ("rmsprop", {"lr": 0.02, "alpha": 0.5, "eps": 1e-1, "centered": True}),
    ("rmsprop", {"lr": 0.01, "alpha": 0.5, "eps": 1e-1, "momentum": 0.9, "centered": True, "weight_decay": 0.1}),
    ("adam", {}),
    ("adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("adamw", {}),
    ("adamw", {"lr": 0.01, "betas": (0.0, 0.0), "eps": 1e-2, "weight_decay": 0.3}),
]
KERNELS = [(variant, dtype) for variant in _fast.available() for dtype in ("float32", "float64")]
PARAMS = {
    "a.weight": Param((3, 5, 5)),
    "a.bias": Param((3,), decay=False),
    "b.weight": Param((240, 241)),  # more than one piece of work
    "b.scale": Param((1,), decay=False),
}
RATES = np.array([1.0, 2.0, 0.5, 0.0])
STEPS = 5
USED: dict[str, Callable[[dict[str, Any]], list[bool]]] = {
    "sgd": lambda options: ["momentum" in options],
    "rmsprop": lambda options: [True, "centered" in options, "momentum" in options],
}
SLOTS = {"sgd": 1, "adagrad": 1, "rmsprop": 3, "adam": 2, "adamw": 2}  # of the oracle; unused ones are absent in ours


def make_update(optimizer: Optimizer, dtype: str, variant: str | None = None, threads: int = 1) -> Update:
    """Random parameters and gradients, zero slots."""
    segments, rng = Segments.of(PARAMS), np.random.default_rng(0)
    theta, grad = aligned((segments.size,), dtype), aligned((segments.size,), dtype)
    for vector in (theta, grad):
        for view in segments.views(vector).values():
            view[...] = rng.normal(size=view.shape)
    slots = {name: aligned((segments.size,), dtype) for name in optimizer.slots()}
    kernels = _fast.kernels(dtype, variant)
    return Update(theta, grad, slots, segments.ends, RATES, segments.decays, kernels, threads)


def wanted_steps(name: str, options: dict[str, Any], u: Update) -> tuple[np.ndarray, list[np.ndarray]]:
    """What the oracle makes of it."""
    lengths = np.diff([0, *u.ends])
    rates, decays = np.repeat(u.rates, lengths), np.repeat(u.decays, lengths)
    rest = dict(options)
    lr = rest.pop("lr", 1e-3 if name.startswith("adam") else 0.01) * rates
    decay = rest.pop("weight_decay", 0.01 if name == "adamw" else 0.0) * decays
    theta, grad = u.theta.astype(float), u.grad.astype(float)
    slots = [np.zeros_like(theta) for _ in range(SLOTS[name])]
    for t in range(1, STEPS + 1):
        if name.startswith("adam"):
            rest["step"] = t
        theta, *slots = getattr(reference, name)(theta, grad * t, *slots, lr=lr, weight_decay=decay, **rest)
    return theta, slots


def take_steps(optimizer: Optimizer, u: Update) -> None:
    grad = u.grad.copy()
    for t in range(1, STEPS + 1):
        u.grad[...] = grad * t
        optimizer.step(u, optimizer.lr, t)


def test_every_optimizer_has_cases() -> None:
    assert {name for name, _ in CASES} == set(registry.names("optimizers"))


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_steps(name: str, options: dict[str, Any], dtype: str, variant: str) -> None:
    optimizer = registry.get("optimizers", name)(**options)
    u = make_update(optimizer, dtype, variant)
    theta, slots = wanted_steps(name, options, u)
    take_steps(optimizer, u)
    tolerance = 1e-5 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(u.theta, theta, rtol=0, atol=tolerance * np.abs(theta).max())
    used = USED.get(name, lambda options: [True] * SLOTS[name])(options)
    for found, wanted in zip(u.slots.values(), itertools.compress(slots, used), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize(("name", "options"), CASES)
def test_padding_stays_zero_and_threads_do_not_matter(name: str, options: dict[str, Any]) -> None:
    optimizer = registry.get("optimizers", name)(**options)
    updates = [make_update(optimizer, "float32", threads=threads) for threads in (1, 2, 4)]
    for u in updates:
        take_steps(optimizer, u)
    first = updates[0]
    for u in updates[1:]:
        np.testing.assert_array_equal(u.theta, first.theta)
    padding = np.ones(len(first.theta), bool)
    for view in Segments.of(PARAMS).views(padding).values():
        view[...] = False
    assert padding.any()
    for vector in (first.theta, *first.slots.values()):
        np.testing.assert_array_equal(vector[padding], 0)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_quadratic(name: str, options: dict[str, Any]) -> None:
    """The minimum of a bowl is found, and a learning rate of 0 moves nothing."""
    optimizer = registry.get("optimizers", name)(**(options | {"weight_decay": 0.0}))
    u = make_update(optimizer, "float64")
    u.rates = np.ones(4)
    start = np.abs(u.theta).max()
    before = u.theta.copy()
    u.grad[...] = u.theta
    optimizer.step(u, 0.0, 1)
    np.testing.assert_array_equal(u.theta, before)
    for t in range(2, 700):
        u.grad[...] = u.theta
        optimizer.step(u, 0.5 if name == "adagrad" else 0.02, t)  # whose steps become ever smaller
    assert np.abs(u.theta).max() < 0.03 * start
