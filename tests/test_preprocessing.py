"""From decoded images to a network's input."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from networks import build, linear
from rig import take

from cnncli.network import Network
from cnncli.preprocessing import Preprocessing, statistics

RNG = np.random.default_rng(0)
IMAGES = {
    "uint8": RNG.integers(0, 256, (70, 4, 5, 3), np.uint8),
    "uint16": RNG.integers(0, 65536, (70, 4, 5, 3), np.uint16),
    "float32": RNG.random((70, 4, 5, 3), np.float32),
}
FULL = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}


@pytest.mark.parametrize("kind", IMAGES)
def test_statistics(kind: str) -> None:
    mean, std = statistics(IMAGES[kind])
    values = IMAGES[kind].astype(float) / FULL[kind]
    np.testing.assert_allclose(mean, values.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, values.std(axis=(0, 1, 2)), rtol=1e-8 if kind == "float32" else 1e-12)


def test_statistics_do_not_depend_on_the_order() -> None:
    order = RNG.permutation(70)
    for kind in ("uint8", "uint16"):
        assert statistics(IMAGES[kind]) == statistics(np.ascontiguousarray(IMAGES[kind][order]))


@pytest.mark.parametrize("value", [0, 255])
def test_a_constant_channel_has_deviation_1(value: int) -> None:
    assert statistics(np.full((3, 2, 2, 1), value, np.uint8)) == ((value / 255,), (1.0,))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", IMAGES)
def test_fill(kind: str, dtype: str) -> None:
    images = IMAGES[kind]
    prepared = Preprocessing((4, 5), 3, *statistics(images))
    assert prepared.shape == (3, 4, 5)
    network = Network(build([linear(4)], prepared.shape), 40, training=False, dtype=dtype)
    network.x[...] = np.nan
    indices = RNG.permutation(70)[:35]
    prepared.fill(network, images, indices)
    wanted = (images[indices] / FULL[kind] - np.array(prepared.mean)) / np.array(prepared.std)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(take(network.x, 35), np.moveaxis(wanted, 3, 1), atol=tolerance)
    np.testing.assert_array_equal(take(network.x)[35:], 0)


def test_depths_of_pixels_mean_the_same() -> None:
    prepared = Preprocessing((4, 5), 3, (0.5, 0.4, 0.3), (0.2, 0.2, 0.3))
    network = Network(build([linear(4)], prepared.shape), 8, training=False, dtype="float64")
    small = IMAGES["uint8"][:8]
    found = []
    for images in (small, small.astype(np.uint16) * np.uint16(257)):
        prepared.fill(network, images, np.arange(8))
        found.append(network.x.copy())
    np.testing.assert_array_equal(found[0], found[1])


def test_round_trip_through_json() -> None:
    prepared = Preprocessing((4, 5), 3, *statistics(IMAGES["float32"]))
    assert Preprocessing.from_dict(json.loads(json.dumps(prepared.to_dict()))) == prepared


def test_statistics_copy_no_more_than_pieces() -> None:
    """Images may be mapped from the disk, more than the memory holds."""
    images = np.random.default_rng(0).integers(0, 255, (16000, 20, 20, 3), np.uint8)
    tracemalloc.start()
    try:
        mean, std = statistics(images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < images.nbytes / 6
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)) / 255)
    np.testing.assert_allclose(std, images.std(axis=(0, 1, 2)) / 255)
