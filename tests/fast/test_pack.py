"""Images into lanes."""

from __future__ import annotations

import numpy as np
import pytest

from cnncli import _fast

PIXELS = {
    "uint8": np.random.default_rng(0).integers(0, 256, (50, 4, 5, 3), np.uint8),
    "uint16": np.random.default_rng(0).integers(0, 65536, (50, 4, 5, 3), np.uint16),
    "float32": np.random.default_rng(0).random((50, 4, 5, 3), np.float32),
}
SCALE, SHIFT = np.array([2.0, 0.5, -1.0]), np.array([0.25, 0.0, 3.0])


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", PIXELS)
@pytest.mark.parametrize(("lanes", "n"), [(8, 1), (8, 8), (32, 1), (32, 33), (32, 90)])
def test_images(kind: str, lanes: int, n: int, dtype: str, variant: str) -> None:
    indices = np.random.default_rng(n).integers(0, 50, n)
    wide = np.full((-(-n // lanes) + 1, 3, 7, 8, lanes), np.nan, dtype)
    x = wide[:, :, 1:5, 2:7]  # inside a border
    _fast.kernels(dtype, variant).pack.from_images(PIXELS[kind], indices, SCALE, SHIFT, x, 2)
    blocks = -(-n // lanes)
    images = np.moveaxis(x[:blocks], 4, 1).reshape(blocks * lanes, 3, 4, 5)
    values = PIXELS[kind][indices] * (257.0 if kind == "uint8" else 1.0)  # 8 bits are taken as 16
    wanted = np.moveaxis(values * SCALE + SHIFT, 3, 1)
    np.testing.assert_allclose(images[:n], wanted, rtol=1e-6 if dtype == "float32" else 1e-12, atol=1e-6)
    np.testing.assert_array_equal(images[n:], 0)
    assert np.isnan(wide).sum() == wide.size - images.size  # nothing else was touched


@pytest.mark.parametrize("indices", [[50], [-1], [0, 2**40]])
def test_indices_out_of_range(indices: list[int]) -> None:
    x = np.zeros((1, 3, 4, 5, 32))
    with pytest.raises(ValueError, match="no image of this index"):
        _fast.kernels("float64").pack.from_images(PIXELS["uint8"], np.array(indices), SCALE, SHIFT, x, 1)


@pytest.mark.parametrize("shape", [(1, 3, 5, 4, 32), (1, 1, 4, 5, 32), (1, 3, 4, 6, 32)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        _fast.kernels("float64").pack.from_images(PIXELS["uint8"], np.arange(3), SCALE, SHIFT, np.zeros(shape), 1)


def test_more_images_than_lanes() -> None:
    x = np.zeros((1, 3, 4, 5, 8))
    with pytest.raises(ValueError, match="do not fit"):
        _fast.kernels("float64").pack.from_images(PIXELS["uint8"], np.arange(9), SCALE, SHIFT, x, 1)
