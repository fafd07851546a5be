"""Disturbances of images: exact where they can be, bilinear elsewhere, and the same for every batch."""

from __future__ import annotations

import numpy as np
import pytest

from cnncli.transforms import TRANSFORMS, Batch, affine, background_of, scaled, unscaled

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 8, 9, 1), np.uint8)


def batch(images: np.ndarray = PIXELS, first: int = 0, background: float = 0.0, **options: object) -> Batch:
    return Batch(scaled(images), first, np.full(images.shape[3], background), **options)  # type: ignore[arg-type]


def apply(name: str, level: float, images: np.ndarray = PIXELS, **options: object) -> np.ndarray:
    """The disturbed images in their own type."""
    return unscaled(TRANSFORMS[name].apply(batch(images, **options), level), images.dtype)  # type: ignore[arg-type]


@pytest.mark.parametrize("centre", ["image", "mass"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_neutral_level_changes_nothing(name: str, dtype: type, centre: str) -> None:
    images = RNG.integers(0, np.iinfo(dtype).max + 1, (4, 7, 6, 3)).astype(dtype)
    known = TRANSFORMS[name]
    assert known.neutral in known.levels
    assert list(known.levels) == sorted(known.levels)
    np.testing.assert_array_equal(apply(name, known.neutral, images, centre=centre), images)


def test_floats_keep_their_type() -> None:
    images = RNG.random((2, 4, 4, 1), np.float32)
    assert unscaled(scaled(images), images.dtype).tobytes() == images.tobytes()


def test_shifts_are_exact() -> None:
    for name, down, right in (("shift_right", 0, 1), ("shift_down", 1, 0), ("shift_diagonal", 1, 1)):
        for level in (1, 3):
            expected = np.full_like(PIXELS, 51)
            rows, columns = down * level, right * level
            expected[:, rows:, columns:] = PIXELS[:, : 8 - rows, : 9 - columns]
            np.testing.assert_array_equal(apply(name, level, background=0.2), expected)


def test_quarter_turns_are_exact() -> None:
    square = RNG.integers(0, 256, (3, 7, 7, 3), np.uint8)
    turned = TRANSFORMS["rotation"].apply(batch(square), 90)
    np.testing.assert_array_equal(unscaled(turned, square.dtype), np.rot90(square, axes=(1, 2)))


def test_bilinear_weights() -> None:
    images = np.zeros((1, 5, 5, 1), np.uint8)
    images[0, 2, 2] = 255
    moved = affine(batch(images), np.eye(2), (0.25, -0.5))[0, :, :, 0]
    expected = np.zeros((5, 5))
    expected[2, 1:3], expected[3, 1:3] = 0.75 * 0.5, 0.25 * 0.5
    np.testing.assert_allclose(moved, expected, atol=1e-7)


def test_scale_and_shear() -> None:
    flat = np.full((1, 9, 9, 1), 200, np.uint8)
    half = apply("scale", 0.5, flat)[0, :, :, 0]
    assert (half[2:7, 2:7] == 200).all()
    assert (half[[0, 8]] == 0).all()
    assert (apply("scale", 2, flat) == 200).all()
    line = np.zeros((1, 9, 9, 1), np.uint8)
    line[0, :, 4] = 255
    sheared = apply("shear", 1, line)[0, :, :, 0]
    np.testing.assert_array_equal(sheared, np.fliplr(np.eye(9, dtype=np.uint8)) * 255)


def test_centre_of_mass() -> None:
    """A symmetric spot off the middle stays where it is, on any background."""
    for background, spot in ((0, 255), (255, 0)):
        images = np.full((1, 13, 13, 1), background, np.uint8)
        images[0, 2:5, 7:10] = spot
        turned = apply("rotation", 90, images, background=background / 255, centre="mass")
        np.testing.assert_array_equal(turned, images)
        assert (apply("rotation", 90, images, background=background / 255) != images).any()
    empty = np.zeros((1, 4, 4, 1), np.uint8)
    np.testing.assert_array_equal(apply("scale", 2, empty, centre="mass"), empty)


def test_gaussian_noise() -> None:
    images = np.full((40, 20, 20, 1), 128, np.uint8)
    noise = (TRANSFORMS["gaussian_noise"].apply(batch(images), 0.1) - scaled(images)) / 0.1
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.2


def test_salt_and_pepper() -> None:
    images = np.full((40, 20, 20, 3), 100, np.uint8)
    noisy = apply("salt_and_pepper", 0.3, images)
    salt, pepper = (noisy == 255).all(axis=3), (noisy == 0).all(axis=3)
    assert salt.mean() == pytest.approx(0.15, abs=0.01)
    assert pepper.mean() == pytest.approx(0.15, abs=0.01)
    assert (noisy[~(salt | pepper)] == 100).all()
    stronger = apply("salt_and_pepper", 0.5, images)
    assert (stronger[salt] == 255).all()


def test_occlusion() -> None:
    images = np.full((60, 12, 10, 1), 9, np.uint8)
    hidden = apply("occlusion", 4, images, background=1.0)[..., 0] == 255
    assert (hidden.sum(axis=(1, 2)) == 16).all()
    assert all(h.any(axis=1).sum() == h.any(axis=0).sum() == 4 for h in hidden)
    assert hidden.any(axis=0).mean() > 0.9
    assert (apply("occlusion", 14, images, background=1.0) == 255).all()


def test_light() -> None:
    image = np.array([[[[50], [100]], [[150], [100]]]], np.uint8)
    assert apply("contrast", 0.2, image).ravel().tolist() == [90, 100, 110, 100]
    assert apply("contrast", 2.0, image).ravel().tolist() == [0, 100, 200, 100]
    assert apply("brightness", -0.4, image).ravel().tolist() == [0, 0, 48, 0]
    assert apply("brightness", 0.5, image).ravel().tolist() == [178, 228, 255, 228]


@pytest.mark.parametrize("name", TRANSFORMS)
def test_batches_do_not_matter(name: str) -> None:
    level = TRANSFORMS[name].levels[-2]
    whole = apply(name, level)
    parts = np.concatenate([apply(name, level, PIXELS[:2]), apply(name, level, PIXELS[2:], first=2)])
    np.testing.assert_array_equal(parts, whole)
    assert (whole != PIXELS).any()


def test_background() -> None:
    images = np.zeros((2, 4, 5, 3), np.uint8)
    images[:, [0, -1]] = images[:, :, [0, -1]] = (255, 51, 0)
    images[0, 0, 0] = 7
    np.testing.assert_allclose(background_of(images), [1, 0.2, 0], atol=1e-6)
    assert background_of(np.full((1, 1, 1, 1), 255, np.uint8)).tolist() == [1]
