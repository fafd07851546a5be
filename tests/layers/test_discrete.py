"""NaN, infinities, equal values and random masks: what numbers of a normal distribution never show."""

from __future__ import annotations

import numpy as np
import pytest
from cases import ROWS, Case
from rig import SEED, Rig, put, take

from cnncli import _fast, registry
from cnncli.random import stream

LEFT_OUT = {"add", "concat", "subsample2d"}  # they have several inputs, or do not look at every sample
KERNELS = [(variant, dtype) for variant in _fast.available() for dtype in ("float32", "float64")]


def _forward(rig: Rig, x: np.ndarray, training: bool = True) -> np.ndarray:
    """The output where it may hold NaN."""
    rig.network.set_batch(len(x))
    put(rig.buffers.x, x, unused=0.0)
    rig.layer.forward(rig.buffers, training)
    return take(rig.buffers.y, len(x))


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize("kind", sorted(set(registry.names("layers")) - LEFT_OUT))
def test_nan_is_never_hidden(kind: str, variant: str, dtype: str) -> None:
    case = next(case for case in ROWS if case.type == kind and case.in_shapes[0] != (1, 1, 1))
    rig = Rig(case, 5, variant=variant, dtype=dtype)
    rig.network.initialize(0)
    x = np.random.default_rng(0).normal(size=(5, *case.in_shapes[0]))
    for place in np.ndindex(case.in_shapes[0]):
        broken = x.copy()
        broken[(3, *place)] = np.nan
        y = _forward(rig, broken, training=False)
        assert np.isnan(y[3]).any()
        assert np.isfinite(y[[0, 1, 2, 4]]).all()


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
def test_max_pool_of_infinities(variant: str, dtype: str) -> None:
    rig = Rig(Case("max_pool2d", {"kernel_size": 3, "padding": 1}, ((1, 3, 3),)), 8, variant=variant, dtype=dtype)
    x = np.full((8, 1, 3, 3), -np.inf)
    x[1:, 0, 1, 1] = np.inf
    np.testing.assert_array_equal(_forward(rig, x)[:, 0, 0, 0], [-np.inf] + 7 * [np.inf])
    (dx,), _ = rig.backward(np.ones((8, 1, 1, 1)))
    assert dx[0, 0, 0, 0] == 1  # the first inside the map
    np.testing.assert_array_equal(dx[1:, 0, 1, 1], 1)
    assert dx.sum() == 8


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.99, 1 - 2.0**-40])
def test_dropout_drops_its_share(rate: float) -> None:
    rig = Rig(Case("dropout", {"p": rate}, ((10, 9, 8),)), 128)
    y = _forward(rig, np.ones((128, 10, 9, 8)))
    deviation = (rate * (1 - rate) / y.size) ** 0.5
    assert abs((y == 0).mean() - rate) <= 5 * deviation
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-12)


def test_dropout_depends_on_seed_name_and_step() -> None:
    rig, x = Rig(Case("dropout", {}, ((4, 4, 4),)), 32), np.ones((32, 4, 4, 4))
    b = rig.buffers
    found = [_forward(rig, x)]
    for name, value in (("step", 1), ("stream", stream("another")), ("seed", SEED + 1)):
        setattr(b, name, value)
        found.append(_forward(rig, x))
    for i, y in enumerate(found):
        for other in found[:i]:
            assert 0.4 < (y == other).mean() < 0.6  # of independent masks half agree


def test_dropout_in_evaluation_changes_nothing() -> None:
    rig, x = Rig(Case("dropout", {}, ((2, 3, 4),)), 33), np.random.default_rng(0).normal(size=(33, 2, 3, 4))
    np.testing.assert_array_equal(_forward(rig, x, training=False), x)
    (dx,), _ = rig.backward(2 * x)
    np.testing.assert_array_equal(dx, 2 * x)


@pytest.mark.parametrize("variant", _fast.available())
def test_philox_of_the_kernels(variant: str) -> None:
    """The known answer of Philox2x32-10 for counter and key 0, bit by bit from which elements are dropped."""
    maps, out = np.ones((1, 1, 1, 1, 32)), np.empty((1, 1, 1, 1, 32))
    dropout = _fast.kernels("float64", variant).elementwise.dropout
    words = [0, 0]
    for bit in reversed(range(32)):
        for half, word in enumerate(words):
            trial = word | 1 << bit
            dropout(maps, out, trial / 2**32, 0, 0, 0, 1, 1)
            if out[0, 0, 0, 0, 16 * half]:  # kept: the word is at least `trial`
                words[half] = trial
    assert [f"{word:08x}" for word in words] == ["ff1dae59", "6cd10df2"]
