"""The kernels of the locally connected layer against those of convolution, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import Case
from rig import Rig, gradient, inputs

from cnncli import _fast

OPTIONS = {"out_channels": 5, "kernel_size": [3, 2], "stride": [1, 2], "padding": [2, 1], "pad_value": 0.5}
SHAPE = (4, 6, 7)


@pytest.mark.parametrize("variant", _fast.available())
def test_with_one_kernel_everywhere_it_is_a_convolution(variant: str) -> None:
    conv, local = (Rig(Case(kind, OPTIONS, (SHAPE,)), 70, variant=variant) for kind in ("conv2d", "local2d"))
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, *SHAPE[:1], 3, 2)), rng.normal(size=5)
    rows, columns = local.graph.shapes["layer"][1:]
    everywhere = np.broadcast_to(np.moveaxis(weight, 0, -1), (rows, columns, 4, 3, 2, 5))
    xs = inputs(Case("local2d", OPTIONS, (SHAPE,)), 70)
    wanted = conv.forward(xs, {"weight": weight, "bias": bias})
    y = local.forward(xs, {"weight": everywhere, "bias": np.broadcast_to(bias[:, None, None], (5, rows, columns))})
    np.testing.assert_allclose(y, wanted, atol=1e-12)
    (wanted_dx,), shared = conv.backward(gradient(y.shape))
    (dx,), own = local.backward(gradient(y.shape))
    np.testing.assert_allclose(dx, wanted_dx, atol=1e-12)
    np.testing.assert_allclose(np.moveaxis(own["weight"].sum(axis=(0, 1)), -1, 0), shared["weight"], atol=1e-10)
    np.testing.assert_allclose(own["bias"].sum(axis=(1, 2)), shared["bias"], atol=1e-10)


@pytest.mark.parametrize(
    ("x", "weight", "y"),
    [
        ((2, 5, 5), (3, 3, 2, 3, 3, 4), (4, 3, 4)),
        ((2, 5, 4), (3, 3, 2, 3, 3, 4), (4, 3, 3)),
        ((3, 5, 5), (3, 3, 2, 3, 3, 4), (4, 3, 3)),
        ((2, 5, 5), (3, 3, 2, 3, 3, 4), (5, 3, 3)),
    ],
)
def test_refused(x: tuple[int, ...], weight: tuple[int, ...], y: tuple[int, ...]) -> None:
    kernels: Any = _fast.kernels("float64").local2d
    index = np.zeros(1000, np.int32)
    with pytest.raises(ValueError, match="shapes"):
        kernels.forward(np.zeros((1, *x, 8)), np.zeros(weight), None, np.zeros((1, *y, 8)), index, 1, 1, 1, 1)
