"""Counter-based random numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cnncli import random
from cnncli.random import bits, key, normal, permutation, stream, uniform

# Random123's kat_vectors, philox2x32 with 10 rounds: counter, key, result
KNOWN = [
    ("00000000 00000000", "00000000", "ff1dae59 6cd10df2"),
    ("ffffffff ffffffff", "ffffffff", "2c3f628b ab4fd7ad"),
    ("243f6a88 85a308d3", "13198a2e", "dd7ce038 f62a4c12"),
]


def _words(text: str) -> int:
    """Words of 32 bits, the least significant first, as one number."""
    return sum(int(word, 16) << 32 * i for i, word in enumerate(text.split()))


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter: str, key: str, result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "key", lambda seed, stream: seed)
    found = bits(_words(key), 0, np.array([_words(counter)], np.uint64))
    assert int(found[0]) == _words(result)


def test_keys_differ() -> None:
    keys = {key(seed, s) for seed, s in itertools.product(range(50), [*range(50), stream("conv2d_1.weight")])}
    assert len(keys) == 50 * 51
    assert all(0 <= k < 2**32 for k in keys)
    assert key(2**63 - 1, stream("x")) == key(2**63 - 1, stream("x"))


def test_streams_are_names() -> None:
    assert stream("a.weight") != stream("a.bias")
    assert stream("a") > 2**32 > random.SHUFFLE  # never one of the run's own


def test_uniform() -> None:
    u = uniform(1, 2, 100_000)
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    assert abs(u.mean() - 0.5) < 5 * (1 / 12 / u.size) ** 0.5
    assert np.abs(np.bincount((u * 10).astype(int)) / 10_000 - 1).max() < 0.05
    np.testing.assert_array_equal(uniform(1, 2, 10), u[:10])
    assert not np.array_equal(uniform(2, 2, 10), u[:10])
    assert not np.array_equal(uniform(1, 3, 10), u[:10])


def test_normal() -> None:
    z = normal(1, 2, 100_000)
    assert abs(z.mean()) < 5 / z.size**0.5
    assert abs(z.std() - 1) < 5 / (2 * z.size) ** 0.5
    assert abs((z**3).mean()) < 0.05
    assert abs((np.abs(z) < 1.96).mean() - 0.95) < 0.005
    assert abs(np.corrcoef(z[:-1], z[1:])[0, 1]) < 0.02


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_permutation(count: int) -> None:
    order = permutation(3, 1, 0, count)
    assert sorted(order) == list(range(count))
    if count == 1000:
        assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < 0.15
        assert not np.array_equal(order, permutation(3, 1, 1, count))
        assert not np.array_equal(order, permutation(4, 1, 0, count))
        np.testing.assert_array_equal(order, permutation(3, 1, 0, count))


def test_numbers_are_those_of_every_version() -> None:
    """Seeds in old configs must keep their meaning."""
    assert key(1, 2) == 0x0FFEDFE9
    assert permutation(0, random.SHUFFLE, 0, 8).tolist() == [0, 2, 1, 5, 6, 7, 3, 4]
    assert uniform(5, stream("conv2d_1.weight"), 2).tolist() == [0.29659948679934306, 0.30084811981114684]
    np.testing.assert_allclose(normal(0, 1, 2), [-0.20812619, 0.88560181], atol=1e-8)
