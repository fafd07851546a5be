"""Curves of accuracy under disturbance: what follows from them, and how they are measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tasks import graph, images, preprocessing

from cnncli.evaluation import predict
from cnncli.metrics import wilson_interval
from cnncli.network import Network
from cnncli.robustness import Curve, measure
from cnncli.significance import mcnemar
from cnncli.transforms import TRANSFORMS


def curve(transform: str, shares: list[float], **changes: Any) -> Curve:
    hits = tuple(round(100 * share) for share in shares)
    values: dict[str, Any] = {"model": "m", "images": 100, "classes": 5, "same": hits, "p_values": None}
    return Curve(transform=transform, hits=hits, **(values | changes))


def test_what_follows_from_a_curve() -> None:
    falling = curve("shift_right", [0.8, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2, 0.2, 0.2])
    assert falling.levels == tuple(range(9))
    assert falling.retention[:4] == [1, 1, 0.75, 0.5]
    assert falling.area == pytest.approx((0.8 + 0.7 + 0.5 + 0.3 + 4 * 0.2) / 8)
    assert falling.half_way == (None, pytest.approx(2.5))  # half-way between 0.8 and one class in five
    assert falling.intervals[2] == wilson_interval(60, 100)


def test_half_way_on_both_sides() -> None:
    shares = [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 0.9, 0.8, 0.5]
    below, above = curve("contrast", shares).half_way
    assert below == pytest.approx(0.6)
    assert above == pytest.approx(1.75 + 0.25 * 2 / 3)
    assert curve("contrast", [1.0] * 9).half_way == (None, None)
    assert curve("contrast", [0.2] * 9).half_way == (None, None)
    assert curve("contrast", [0.0] * 9).retention == [0] * 9


def model(seed: int) -> Any:
    """A network as `Model` has it, freshly initialised."""
    network = Network(graph(), 64, training=False)
    network.initialize(seed)
    return SimpleNamespace(
        network=lambda size: network, preprocessing=preprocessing(images(300)), classes=tuple("abcd")
    )


def test_measured_curves() -> None:
    data = images(300, seed=2)
    models = [("a", model(0), data), ("b", model(1), data)]
    told: list[tuple[str, str]] = []
    names = ["rotation", "gaussian_noise"]
    curves = list(measure(models, names, poll=lambda *what: told.append(what)))
    assert [(each.model, each.transform) for each in curves] == told == [(m, t) for t in names for m in "ab"]
    for each, (_, network, _) in zip(curves, models * 2, strict=True):
        clean = predict(network.network(64), network.preprocessing, data.images)[0].argmax(axis=1)
        assert each.hits[0] == (clean == data.labels).sum()
        assert each.same[0] == 300 > each.same[-1]
        assert each.images == 300
        assert (each.p_values is None) == (each.model == "a")
    right = [
        predict(m.network(64), m.preprocessing, data.images)[0].argmax(axis=1) == data.labels for _, m, _ in models
    ]
    assert curves[1].p_values is not None
    assert curves[1].p_values[0] == mcnemar(right[0], right[1])
    assert curves == list(measure(models, names))


def test_the_same_network_never_differs_from_itself() -> None:
    data = images(270)
    twice = list(measure([("a", model(0), data), ("b", model(0), data)], ["salt_and_pepper"]))
    assert twice[0].hits == twice[1].hits
    assert twice[1].p_values == (1.0,) * len(TRANSFORMS["salt_and_pepper"].levels)


def test_background_and_centre_matter() -> None:
    data = images(270)
    one = [("a", model(0), data)]
    (usual,), (white,), (mass,) = (
        list(measure(one, ["rotation"], **options))  # type: ignore[arg-type]
        for options in ({}, {"background": 1.0}, {"centre": "mass"})
    )
    assert usual.hits[0] == white.hits[0] == mass.hits[0]
    assert len({usual.same, white.same, mass.same}) == 3
    assert np.all(np.array(usual.same) <= 270)
