"""The four ways to bring an image to a size, against what they are by definition."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_files import pixels
from PIL import Image

from cnncli.datasets._fit import fit, fit_all

MODES = ("resize", "crop", "pad", "letterbox")


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_the_size_is_left_alone(mode: str) -> None:
    image = pixels(6, 5, 3)
    assert fit(image, (6, 5), None, mode) is image  # type: ignore[arg-type]


def test_resize_stretches() -> None:
    image = pixels(20, 10, 3)
    np.testing.assert_array_equal(fit(image, (12, 8), None), resized(image, 12, 8))


@pytest.mark.parametrize(("height", "width"), [(20, 10), (10, 20)])
def test_crop_takes_the_centre(height: int, width: int) -> None:
    image = pixels(height, width, 3)
    top, left = (height - 10) // 2, (width - 10) // 2
    inner = np.ascontiguousarray(image[top : top + 10, left : left + 10])
    np.testing.assert_array_equal(fit(image, (10, 10), None, "crop"), inner)
    flat = np.zeros((height, width, 1), np.uint8)
    flat[top : top + 10, left : left + 10] = 200
    enlarged = fit(flat, (30, 30), None, "crop")[3:-3, 3:-3]
    np.testing.assert_array_equal(enlarged, np.full_like(enlarged, 200))


@pytest.mark.parametrize(("height", "width"), [(20, 10), (10, 20)])
def test_letterbox_has_bars_on_two_sides(height: int, width: int) -> None:
    image = np.maximum(pixels(height, width, 3), 1)
    found = fit(image, (10, 10), None, "letterbox")
    small = resized(image, height // 2, width // 2)
    wanted = np.zeros((10, 10, 3), np.uint8)
    top, left = (10 - height // 2) // 2, (10 - width // 2) // 2
    wanted[top : top + height // 2, left : left + width // 2] = small
    np.testing.assert_array_equal(found, wanted)


def test_pad_neither_scales_nor_moves_the_centre() -> None:
    image = pixels(3, 9, 1)
    found = fit(image, (7, 5), None, "pad")
    np.testing.assert_array_equal(found[2:5], image[:, 2:7])
    assert not found[:2].any()
    assert not found[5:].any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (7, 3), (64, 65), (33, 17)])
def test_every_shape_and_type(mode: str, dtype: type, shape: tuple[int, int]) -> None:
    image = (np.ones((*shape, 1)) * (1 if dtype is np.float32 else np.iinfo(dtype).max)).astype(dtype)
    found = fit_all(image[None], (16, 12), 3, mode)[0]  # type: ignore[arg-type]
    assert (found.shape, found.dtype) == ((16, 12, 3), image.dtype)
    assert found.max() == image[0, 0, 0]
    if mode in ("resize", "crop"):  # white all over
        np.testing.assert_array_equal(found, np.full_like(found, image[0, 0, 0]))
