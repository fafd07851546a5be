"""Views of images, by indexing written out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cnncli.views import VIEWS, views

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), np.uint8)


def test_flip() -> None:
    seen = views(IMAGES, ["flip"])
    assert seen.shape == (3, 2, 16, 24, 3)
    np.testing.assert_array_equal(seen[:, 0], IMAGES)
    for x in range(24):
        np.testing.assert_array_equal(seen[:, 1, :, x], IMAGES[:, :, 23 - x])


def test_shifts() -> None:
    """By a fourteenth: 1 row, 2 columns; the border is repeated."""
    seen = views(IMAGES, ["shift"])
    moved = [(-1, 0), (1, 0), (0, -2), (0, 2)]
    for view, (down, right) in enumerate(moved, start=1):
        for y in (0, 7, 15):
            for x in (0, 11, 23):
                source = IMAGES[:, min(max(y - down, 0), 15), min(max(x - right, 0), 23)]
                np.testing.assert_array_equal(seen[:, view, y, x], source)


def test_five_crops() -> None:
    seen = views(IMAGES, ["five-crop"])
    assert seen.shape[1] == 6
    places = [(0, 0), (0, 3), (2, 0), (2, 3), (1, 1)]
    for view, (top, left) in enumerate(places, start=1):
        crop = Image.fromarray(IMAGES[1, top : top + 14, left : left + 21])
        wanted = np.asarray(crop.resize((24, 16), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(seen[1, view].astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 2, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_small_images_and_all_types(shape: tuple[int, ...], dtype: type) -> None:
    seen = views(np.ones(shape, dtype), list(VIEWS))
    assert (seen.shape, seen.dtype) == ((shape[0], 11, *shape[1:]), dtype)
    assert (seen == 1).all()
