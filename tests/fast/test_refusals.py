"""Arrays that do not belong together are refused before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnncli import _fast

K: Any = _fast.kernels("float64")
REAL, INDEX = np.zeros(10_000), np.zeros(1_000, np.int32)


def maps(*shape: int, lanes: int = 8) -> np.ndarray:
    return np.zeros((1, *shape, lanes))


def _conv(
    x: np.ndarray, w: np.ndarray, y: np.ndarray, stride: int = 1, dilation: int = 1, groups: int = 1, blocks: int = 1
) -> None:
    K.conv2d.forward(
        x, w, None, y, REAL, INDEX, stride_h=stride, stride_w=stride, dilation_h=dilation, dilation_w=dilation,
        flip=False, groups=groups, accumulate=False, rectified=False, blocks=blocks, threads=1,
    )  # fmt: skip


def _winograd(x: np.ndarray, w: np.ndarray, y: np.ndarray) -> None:
    K.winograd2d.forward(x, w, None, y, REAL, INDEX, False, False, False, 1, 1)


REFUSED: dict[str, Callable[[], None]] = {
    "conv2d: too many rows": lambda: _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 4, 3)),
    "conv2d: too many columns": lambda: _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 3, 4)),
    "conv2d: stride": lambda: _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 3, 3), stride=2),
    "conv2d: dilation": lambda: _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 3, 3), dilation=2),
    "conv2d: input maps": lambda: _conv(maps(3, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 3, 3)),
    "conv2d: output maps": lambda: _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(4, 3, 3)),
    "conv2d: groups": lambda: _conv(maps(2, 5, 5), np.zeros((4, 2, 3, 3)), maps(4, 3, 3), groups=2),
    "conv2d: blocks": lambda: _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 3, 3), blocks=2),
    "conv2d: lanes differ": lambda: _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 3, 3, lanes=32)),
    "conv2d: odd lanes": lambda: _conv(maps(1, 2, 2, lanes=16), np.zeros((1, 1, 1, 1)), maps(1, 2, 2, lanes=16)),
    "linear: features": lambda: K.linear.forward(
        maps(5, 1, 1), np.zeros((3, 4)), None, maps(3, 1, 1), INDEX, False, 1, 1
    ),
    "linear: outputs": lambda: K.linear.forward(
        maps(4, 1, 1), np.zeros((3, 4)), None, maps(2, 1, 1), INDEX, False, 1, 1
    ),
    "elementwise: shapes": lambda: K.elementwise.copy(maps(2, 3, 4), maps(2, 4, 3), 1, 1),
    "elementwise: columns": lambda: K.elementwise.copy(maps(2, 3, 4)[:, :, :, ::2], maps(2, 3, 2), 1, 1),
    "elementwise: sum": lambda: K.elementwise.add(maps(2, 3, 4), maps(1, 3, 4), maps(2, 3, 4), None, False, 1, 1),
    "norm2d: shapes": lambda: K.norm2d.normalize(
        maps(2, 3, 4), np.zeros(2), np.ones(2), np.ones(2), np.ones(2), maps(2, 3, 3), 1e-5, False, 8, 1, 1
    ),
    "winograd2d: taps": lambda: _winograd(maps(2, 8, 8), np.zeros((3, 2, 4, 4)), maps(3, 4, 4)),
    "winograd2d: part of a tile": lambda: _winograd(maps(2, 7, 6), np.zeros((3, 2, 3, 3)), maps(3, 5, 4)),
    "winograd2d: maps": lambda: _winograd(maps(2, 6, 6), np.zeros((3, 3, 3, 3)), maps(3, 4, 4)),
    "winograd2d: gradient": lambda: K.winograd2d.backward_params(
        maps(2, 10, 10), maps(3, 7, 8), np.zeros((3, 2, 3, 3)), REAL, INDEX, 0, 0, 7, 7, False, 1, 1
    ),
    "pool2d: lanes": lambda: K.pool2d.avg_forward(maps(1, 2, 2), maps(1, 1, 1, lanes=32), 2, 2, 2, 2, 0, 0, 1, 1),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"shape|lanes|contiguous|taps|tile"):
        REFUSED[name]()


def test_the_same_calls_with_arrays_that_fit() -> None:
    _conv(maps(2, 5, 5), np.zeros((3, 2, 3, 3)), maps(3, 3, 3))
    _conv(maps(4, 5, 5), np.zeros((4, 2, 3, 3)), maps(4, 3, 3), groups=2)
    K.linear.forward(maps(4, 1, 1), np.zeros((3, 4)), None, maps(3, 1, 1), INDEX, False, 1, 1)
