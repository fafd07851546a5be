"""Memory: alignment, borders, segments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cnncli.layers.base import NO_FRAME, Param
from cnncli.workspace import ALIGNMENT, WAY, Maps, Segments, aligned, lanes_for, widest


@pytest.mark.parametrize(("batch_size", "lanes"), [(1, 8), (8, 8), (9, 32), (64, 32), (1000, 32)])
def test_lanes(batch_size: int, lanes: int) -> None:
    assert lanes_for(batch_size) == lanes


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint16"])
@pytest.mark.parametrize("shape", [(0,), (1,), (3, 5), (2, 3, 4, 5)])
def test_aligned(shape: tuple[int, ...], dtype: str) -> None:
    for _ in range(5):
        array = aligned(shape, dtype)
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.ctypes.data % ALIGNMENT == 0 or array.size == 0
        assert array.flags.c_contiguous
        assert not array.any()


def test_widest() -> None:
    assert widest([]) == NO_FRAME
    assert widest([(1, 0, 2, 0), (0, 3, 1, 0)]) == (1, 3, 2, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.0, -1.5])
def test_borders(value: float, dtype: str) -> None:
    maps = Maps((3, 4, 5), 2, 8, dtype, (1, 2, 0, 3), value)
    assert maps.inside.shape == (2, 3, 4, 5, 8)
    assert not maps.inside.any()
    maps.inside[...] = 7
    framed = maps.framed((1, 2, 0, 3))
    assert framed.shape == (2, 3, 7, 8, 8)
    np.testing.assert_array_equal(framed[:, :, 1:5, :5], 7)
    border = np.ones(framed.shape, bool)
    border[:, :, 1:5, :5] = False
    np.testing.assert_array_equal(framed[border], value)
    narrow = maps.framed((0, 1, 0, 2))
    assert np.shares_memory(narrow, framed)
    np.testing.assert_array_equal(narrow, framed[:, :, 1:6, :7])


@pytest.mark.parametrize(
    ("shape", "lanes", "dtype"), [((3, 8, 4), 32, "float32"), ((2, 4, 4), 32, "float64"), ((3, 3, 3), 8, "float32")]
)
def test_channels_lie_apart(shape: tuple[int, int, int], lanes: int, dtype: str) -> None:
    """Not a multiple of the distance at which addresses compete; every row of lanes aligned, no two elements in one
    place."""
    inside = Maps(shape, 3, lanes, dtype, NO_FRAME).inside
    assert inside.strides[1] % WAY
    assert inside.strides[3] == lanes * inside.itemsize
    assert inside.ctypes.data % ALIGNMENT == 0
    inside[...] = np.arange(inside.size).reshape(inside.shape)
    assert len(np.unique(inside)) == inside.size
    assert all(stride % min(ALIGNMENT, lanes * inside.itemsize) == 0 for stride in inside.strides[:4])


def test_segments() -> None:
    params = {"a": Param((3, 5)), "b": Param((1,), decay=False), "c": Param((32,), rate=0.0), "d": Param((2, 2, 2))}
    segments = Segments.of(params)
    vector = np.zeros(segments.size)
    views = segments.views(vector)
    assert list(views) == list(params)
    for i, (name, view) in enumerate(views.items()):
        assert view.shape == params[name].shape
        assert np.shares_memory(view, vector)
        view[...] = i + 1
        assert segments.starts[i] * 4 % ALIGNMENT == 0  # a cache line in single precision
    assert (vector == 0).sum() == segments.size - sum(view.size for view in views.values())
    assert segments.ends.tolist() == [16, 32, 64, 80]
    assert segments.ends[-1] == segments.size
    assert segments.decays.tolist() == [1, 0, 1, 1]
    assert segments.rates.tolist() == [1, 1, 0, 1]
    for one, other in itertools.combinations(views.values(), 2):
        assert not np.shares_memory(one, other)


def test_no_segments() -> None:
    segments = Segments.of({})
    assert (segments.size, segments.views(np.zeros(0))) == (0, {})
