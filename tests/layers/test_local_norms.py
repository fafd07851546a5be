"""Local normalisations beyond their gradients: constant images, offsets, overflow, other programs' numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from cases import Case
from rig import Rig, inputs

from cnncli import _fast

KERNELS = [(variant, dtype) for variant in _fast.available() for dtype in ("float32", "float64")]
SHAPE = (3, 12, 11)
BORDERS = ["corrected", "reflect", "valid"]


def _answer(kind: str, options: dict[str, Any], x: np.ndarray, **rig: Any) -> np.ndarray:
    return Rig(Case(kind, options, (x.shape[1:],)), len(x), **rig).forward([x], {})  # type: ignore[arg-type]


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("kind", ["subtractive_norm2d", "contrast_norm2d"])
def test_constant_images_become_zero(kind: str, border: str, variant: str, dtype: str) -> None:
    """Exactly: the divisor of at least 1e-6 would make numbers of the size of 1 out of rounding errors."""
    x = np.broadcast_to(np.array([100.0, 255.0, 0.1, 1e-30, -7.3]).reshape(5, 1, 1, 1), (5, *SHAPE))
    y = _answer(kind, {"kernel_size": 5, "border": border}, x, variant=variant, dtype=dtype)
    np.testing.assert_array_equal(y, 0)


@pytest.mark.parametrize("across", ["all", "none"])
@pytest.mark.parametrize("border", BORDERS)
def test_an_offset_costs_no_accuracy(border: str, across: str) -> None:
    options = {"kernel_size": 5, "border": border, "across": across}
    (x,) = inputs(Case("contrast_norm2d", options, (SHAPE,)), 5)
    x = np.round(x * 4096) / 4096  # so that adding 1000 is exact in single precision
    near, far = (_answer("contrast_norm2d", options, image, dtype="float32") for image in (x, x + 1000))
    np.testing.assert_allclose(far, near, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-3, 2.0, 1e4])
def test_contrast_does_not_matter(factor: float) -> None:
    (x,) = inputs(Case("contrast_norm2d", {}, (SHAPE,)), 5)
    np.testing.assert_allclose(_answer("contrast_norm2d", {}, factor * x), _answer("contrast_norm2d", {}, x), rtol=1e-9)


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize("options", [{}, {"window": 3}, {"same_map": 3}], ids=str)
def test_energies_beyond_the_largest_number(options: dict[str, Any], variant: str, dtype: str) -> None:
    """They count as that number and as constants, so nothing becomes infinite or NaN."""
    large = 1e25 if dtype == "float32" else 1e200
    case = Case("brightness_norm2d", {"lambda": 1, "mu": 0.5, **options}, ((2, 3, 3),))
    rig, x = Rig(case, 3, variant=variant, dtype=dtype), np.full((3, 2, 3, 3), large)
    y = rig.forward([x], {})
    most = float(np.finfo(dtype).max)
    np.testing.assert_allclose(y, large / np.sqrt(most), rtol=1e-5)
    (dx,), _ = rig.backward(np.ones(y.shape))
    np.testing.assert_allclose(dx, 1 / np.sqrt(most), rtol=1e-5)


@pytest.mark.parametrize("kind", ["subtractive_norm2d", "divisive_norm2d", "contrast_norm2d", "brightness_norm2d"])
def test_nan_stays_in_its_image(kind: str) -> None:
    rig = Rig(Case(kind, {}, ((2, 3, 3),)), 5)
    x = np.ones((5, 2, 3, 3))
    x[3, 1, 2, 0] = np.nan
    rig.network.set_batch(5)
    rig.buffers.x[0, ..., :5] = np.moveaxis(x, 0, -1)
    rig.layer.forward(rig.buffers, True)
    y = rig.buffers.y[0, ..., :5]
    assert np.isnan(y[1, 2, 0, 3])
    assert np.isfinite(y[..., [0, 1, 2, 4]]).all()


def test_the_numbers_of_other_programs() -> None:
    """PyTorch: k + alpha / n S with zero-padded windows, which for odd n lie round the map; cuda-convnet with k = 1."""
    (x,) = inputs(Case("brightness_norm2d", {}, ((7, 2, 2),)), 4)
    n, alpha, beta, k = 5, 0.5, 0.6, 2.0
    padded = np.pad(x**2, ((0, 0), (n // 2, n // 2), (0, 0), (0, 0)))
    energy = sum(padded[:, i : i + 7] for i in range(n))
    y = _answer("brightness_norm2d", {"kappa": k, "lambda": alpha / n, "mu": beta, "window": n}, x)
    np.testing.assert_allclose(y, x / (k + alpha / n * energy) ** beta, rtol=1e-12)


def test_wide_windows_are_all_maps() -> None:
    (x,) = inputs(Case("brightness_norm2d", {}, ((7, 2, 3),)), 4)
    np.testing.assert_allclose(
        _answer("brightness_norm2d", {"window": 1000}, x), reference.brightness_norm2d(x), rtol=1e-12
    )


def test_one_kind_of_window_at_a_time() -> None:
    with pytest.raises(AssertionError, match="one of them"):
        Case("brightness_norm2d", {"window": 3, "same_map": 3}, ((2, 3, 3),)).layer()
