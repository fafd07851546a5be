"""Fixed filters: the lecture's numbers, that the adjoint is one, and what the kernels refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import Case
from lecture_vectors.images import F
from rig import Rig, inputs

from cnncli import _fast
from cnncli.layers._bands import bands

PYRAMID = {
    "reflect": {0: [0, 3.515625, 10.546875, 10.546875, 3.515625], 2: [0, 26.71875, 75.9375, 82.96875, 28.125]},
    "zero": {
        0: [0, 1.7578125, 5.2734375, 5.2734375, 1.7578125],
        4: [2.109375, 14.4140625, 7.3828125, 5.2734375, 1.7578125],
    },
}


def _image(kind: str, options: dict[str, Any], variant: str, dtype: str = "float64") -> np.ndarray:
    x = np.asarray(F, np.float64).reshape(1, 1, 10, 10)
    return Rig(Case(kind, options, ((1, 10, 10),)), 1, variant=variant, dtype=dtype).forward([x], {})[0, 0]


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("border", PYRAMID)
def test_step_of_the_pyramid(border: str, variant: str) -> None:
    y = _image("blur2d", {"border": border}, variant, "float32")
    for row, numbers in PYRAMID[border].items():
        np.testing.assert_array_equal(y[row], numbers)


@pytest.mark.parametrize("variant", _fast.available())
def test_skips_and_slopes(variant: str) -> None:
    y = _image("subsample2d", {"skip": 2}, variant)
    np.testing.assert_array_equal(y, [[0, 0, 0, 0], [0, 90, 90, 0], [0, 90, 90, 0], [0, 0, 0, 0]])
    y = _image("fixed_filter2d", {"kernel": "sobel_x", "border": "valid"}, variant)
    np.testing.assert_array_equal(y[3], [0, 360, 270, 0, 90, 0, -360, -360])


@pytest.mark.parametrize("kind", ["blur2d", "subsample2d", "fixed_filter2d"])
def test_backward_is_the_adjoint(kind: str) -> None:
    """<A x, d> = <x, A^T d> for every image."""
    case = Case(kind, {"kernel": "laplacian", "border": "reflect"} if kind == "fixed_filter2d" else {}, ((3, 7, 6),))
    rig, (x,) = Rig(case, 9), inputs(case, 9)
    y = rig.forward([x], {})
    d = np.random.default_rng(1).normal(size=y.shape)
    (dx,), _ = rig.backward(d)
    np.testing.assert_allclose((y * d).sum(axis=(1, 2, 3)), (x * dx).sum(axis=(1, 2, 3)), rtol=1e-9)


def test_refused() -> None:
    kernels: Any = _fast.kernels("float64").filter2d
    x, matrix, scratch = np.zeros((1, 2, 5, 5, 8)), bands(5, (0.5, 0.5), "edge"), np.zeros(1000)
    kernels.separable(x, np.zeros((1, 2, 5, 5, 8)), *matrix, *matrix, scratch, False, 1, 1)
    for shape in ((1, 2, 4, 5, 8), (1, 2, 5, 6, 8), (1, 3, 5, 5, 8)):
        with pytest.raises(ValueError, match="shape"):
            kernels.separable(x, np.zeros(shape), *matrix, *matrix, scratch, False, 1, 1)
