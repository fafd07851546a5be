"""Images changed by the kernel, against slow oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from reference import augment as reference

from cnncli import _fast, random

RNG = np.random.default_rng(0)
N, HEIGHT, WIDTH = 7, 6, 9
FULL = {"uint8": 65535.0, "uint16": 65535.0, "float32": 1.0}
COLOURS = np.array([0.25, 0.5, 1.0], np.float32)


def images(kind: str, channels: int) -> np.ndarray:
    shape = (N, HEIGHT, WIDTH, channels)
    if kind == "float32":
        return RNG.random(shape, np.float32)
    return RNG.integers(0, np.iinfo(kind).max + 1, shape).astype(kind)


def values(pixels: np.ndarray) -> np.ndarray:
    """As the kernel scales them."""
    return pixels.astype(np.float64) * (257 if pixels.dtype == np.uint8 else 1)


def nothing(count: int = N) -> dict[str, Any]:
    """Arguments that change no image."""
    return {
        "colour": np.zeros((0, 0, 0), np.float32),
        "inverse": np.tile(np.eye(2, 3, dtype=np.float32), (count, 1, 1)),
        "elastic": np.zeros((0, 2), np.float32),
        "look": np.tile(np.array([0, 1, 0], np.float32), (count, 1)),
        "noise": 0.0,
        "keys": np.zeros((count, 2), np.uint64),
        "holes": np.zeros((count, 0, 4), np.int32),
        "edge": False,
    }


def change(
    pixels: np.ndarray, indices: np.ndarray, variant: str | None = None, threads: int = 1, **changes: Any
) -> np.ndarray:
    """What the kernel makes of ``pixels[indices]``; `changes` are those of all images."""
    kernel: Any = _fast.kernels("float32", variant).augment
    given = {
        key: np.take(value, indices, axis=0, mode="clip") if np.shape(value)[:1] == (len(pixels),) else value
        for key, value in (nothing(len(pixels)) | changes).items()
    }
    out = np.full((len(indices) + 1, *pixels.shape[1:]), np.nan, np.float32)
    scratch = np.full((threads, kernel.scratch_size(*pixels.shape[1:3])), np.nan, np.float32)
    kernel.change_images(
        pixels, indices, fill=COLOURS[: pixels.shape[3]], out=out, scratch=scratch, threads=threads,
        **given,
    )  # fmt: skip
    assert np.isnan(out[-1]).all()  # there is no image for it
    return out[:-1]


def maps() -> np.ndarray:
    """Turned, stretched and moved: inside, partly outside, far outside, and by whole pixels."""
    found = np.tile(np.eye(2, 3), (N, 1, 1)) + RNG.normal(0, 0.3, (N, 2, 3)) * [1, 1, 5]
    found[1] = [[1, 0, -2], [0, 1, 3]]
    found[2] = [[1, 0, 1e6], [0, 1, -1e6]]
    found[3] = [[0, 1, 0], [-1, 0, 5]]
    return np.ascontiguousarray(found, np.float32)


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", FULL)
def test_nothing_to_do_changes_no_bit(kind: str, channels: int, variant: str) -> None:
    pixels, indices = images(kind, channels), np.array([6, 0, 3, 3])
    np.testing.assert_array_equal(change(pixels, indices, variant), values(pixels)[indices].astype(np.float32))


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", FULL)
def test_geometry(kind: str, channels: int, edge: bool, variant: str) -> None:
    pixels, inverse, full = images(kind, channels), maps(), FULL[kind]
    found = change(pixels, np.arange(N), variant, inverse=inverse, edge=edge)
    fill = None if edge else COLOURS[:channels] * full
    wanted = [reference.warp(each, inverse[i].astype(float), fill) for i, each in enumerate(values(pixels))]
    np.testing.assert_allclose(found / full, np.array(wanted) / full, atol=1e-5)
    np.testing.assert_array_equal(found[1], wanted[1].astype(np.float32))  # whole pixels are copied


def test_where_nothing_is_seen_there_is_the_fill() -> None:
    pixels = images("uint8", 3)
    inverse = maps()
    inverse[:] = inverse[2]
    assert (change(pixels, np.arange(N), inverse=inverse) == (COLOURS * 65535).astype(np.float32)).all()


@pytest.mark.parametrize("variant", _fast.available())
def test_maps_that_lead_nowhere_read_within_the_image(variant: str) -> None:
    pixels, inverse = images("uint8", 1), maps()
    inverse[0], inverse[1], inverse[2], inverse[3] = np.nan, np.inf, -np.inf, 3e38
    assert np.isfinite(change(pixels, np.arange(N), variant, inverse=inverse)).all()


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("kind", FULL)
def test_colour(kind: str, variant: str) -> None:
    """Channels are mixed before anything moves: what comes in from outside keeps its colour."""
    pixels, full = images(kind, 3), FULL[kind]
    colour = (np.eye(3) + RNG.normal(0, 0.2, (N, 3, 3))).astype(np.float32)
    inverse = nothing()["inverse"]
    inverse[:, 0, 2] = 2
    found = change(pixels, np.arange(N), variant, colour=colour, inverse=inverse)
    wanted = [np.roll(each / full @ colour[i].T, -2, axis=0) for i, each in enumerate(values(pixels))]
    wanted = np.array(wanted)
    wanted[:, -2:] = COLOURS
    np.testing.assert_allclose(found / full, np.clip(wanted, 0, 1), atol=1e-6)


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("size", [(6, 9), (5, 40), (30, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_blur(channels: int, size: tuple[int, int], variant: str) -> None:
    pixels = RNG.random((N, *size, channels), np.float32)
    look = np.tile(np.array([0, 1, 0], np.float32), (N, 1))
    look[:, 0] = 0, 1e-9, 0.3, 0.7, 1.5, 4, 16
    found = change(pixels, np.arange(N), variant, look=look)
    wanted = [reference.blur(image, float(sigma)) for image, sigma in zip(pixels, look[:, 0], strict=True)]
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    np.testing.assert_array_equal(found[0], pixels[0])


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("size", [(6, 9), (28, 28), (5, 40)])
def test_elastic(size: tuple[int, int], variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fields one after another, on top of an affine map."""
    monkeypatch.setattr(random, "key", lambda seed, stream: seed)
    pixels = RNG.random((2, *size, 1), np.float32)
    keys = np.array([[0x0123456789ABCDEF, 5], [0xFEDCBA9876543210, 6]], np.uint64)
    elastic = np.array([[8, 2], [3, 0.8]], np.float32)
    inverse = np.array([[[1, 0.1, -0.5], [0, 1.1, 0.3]], [[1, 0, 0], [0, 1, 0]]], np.float32)
    found = change(pixels, np.arange(2), variant, inverse=inverse, elastic=elastic, keys=keys, edge=True)
    for image, given, key, back in zip(found, pixels, keys[:, 0].tolist(), inverse, strict=True):
        field = np.zeros((2, *size))
        for i, (alpha, sigma) in enumerate(elastic.astype(float)):
            counters = (i * size[0] * size[1] + np.arange(size[0] * size[1], dtype=np.uint64)) | np.uint64(
                key >> 32 << 32
            )
            words = random.bits(key & 0xFFFFFFFF, 0, counters).tolist()
            field += alpha * reference.displacement(words, size, sigma)
        assert 0.3 < np.abs(field).max() < 5
        wanted = reference.warp(given.astype(float), back.astype(float), None, field)
        np.testing.assert_allclose(image, wanted, atol=2e-5)


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("kind", FULL)
def test_light(kind: str, variant: str) -> None:
    pixels, full = images(kind, 3), FULL[kind]
    light = np.stack([RNG.uniform(0, 2, N), RNG.uniform(-0.5, 0.5, N)], axis=1).astype(np.float32)
    look = np.insert(light, 0, 0, axis=1)
    found = change(pixels, np.arange(N), variant, look=look)
    wanted = [reference.light(each / full, *light[i]) for i, each in enumerate(values(pixels))]
    assert (np.array(wanted) > 1).any()
    assert (np.array(wanted) < 0).any()
    np.testing.assert_allclose(found / full, np.clip(wanted, 0, 1), atol=1e-6)


@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 5)])
def test_noise(height: int, width: int, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the bits of Philox, by an image's key and the pixel; of an odd number of pixels one number is left over."""
    monkeypatch.setattr(random, "key", lambda seed, stream: seed)
    pixels = np.full((2, height, width, 3), 0.5, np.float32)
    keys = np.array([0x0123456789ABCDEF, 0xFEDCBA9876543210], np.uint64)
    found = change(pixels, np.array([1, 0]), variant, noise=0.05, keys=np.stack([0 * keys, keys], axis=1))[::-1]
    pairs = -(-height * width // 2)
    for image, key in zip(found, keys.tolist(), strict=True):
        counters = np.arange(3 * pairs, dtype=np.uint64) | np.uint64(key >> 32 << 32)
        words = random.bits(key & 0xFFFFFFFF, 0, counters).tolist()
        for channel in range(3):
            drawn = reference.noise(words[channel * pairs : (channel + 1) * pairs])[: height * width]
            wanted = 0.5 + 0.05 * np.array(drawn).reshape(height, width)
            np.testing.assert_allclose(image[..., channel], wanted, atol=1e-6)


def test_noise_is_normal() -> None:
    pixels = np.full((60, 30, 30, 1), 0.5, np.float32)
    z = (
        change(pixels, np.arange(60), noise=0.05, keys=random.per_image(0, 1, 0, np.arange(120).reshape(60, 2))) - 0.5
    ) / 0.05
    assert abs(z.mean()) < 5 / z.size**0.5
    assert abs(z.std() - 1) < 5 / (2 * z.size) ** 0.5
    assert abs((np.abs(z) < 1.96).mean() - 0.95) < 0.005
    assert abs(np.corrcoef(z[0].ravel(), z[1].ravel())[0, 1]) < 0.15
    assert abs(np.corrcoef(z[..., :-1, :].ravel(), z[..., 1:, :].ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("variant", _fast.available())
def test_holes(variant: str) -> None:
    pixels = images("uint16", 3)
    holes = np.zeros((N, 2, 4), np.int32)
    holes[0, 0], holes[1, 1], holes[2] = (1, 3, 2, 5), (-4, 2, 7, 40), [(0, 1, 0, 1), (20, 30, 0, 9)]
    found = change(pixels, np.arange(N), variant, holes=holes)
    for i, image in enumerate(values(pixels)):
        wanted = image
        for hole in holes[i]:
            wanted = reference.cut(wanted, tuple(hole), (COLOURS * 65535).astype(np.float32).astype(np.float64))
        np.testing.assert_array_equal(found[i], wanted)


@pytest.mark.parametrize("variant", _fast.available())
def test_threads_and_batches_do_not_matter(variant: str) -> None:
    pixels = RNG.integers(0, 256, (40, 28, 28, 1), np.uint8)  # enough for threads to be woken
    changes = {
        "inverse": np.ascontiguousarray(np.eye(2, 3) + RNG.normal(0, 0.1, (40, 2, 3)), np.float32),
        "look": RNG.random((40, 3), np.float32), "noise": 0.1,
        "keys": random.per_image(0, 1, 0, np.arange(80).reshape(40, 2)), "elastic": np.array([[20, 3]], np.float32),
        "holes": RNG.integers(0, 28, (40, 1, 4), np.int32),
    }  # fmt: skip
    order = RNG.permutation(40)
    whole = change(pixels, order, variant, **changes)
    for threads in (2, 3, 4):
        np.testing.assert_array_equal(change(pixels, order, variant, threads, **changes), whole)
    single = [change(pixels, order[i : i + 1], variant, **changes)[0] for i in range(40)]
    np.testing.assert_array_equal(single, whole)


@pytest.mark.parametrize("indices", [[N], [-1], [0, 2**40]])
def test_indices_out_of_range(indices: list[int]) -> None:
    with pytest.raises(ValueError, match="no image of this index"):
        change(images("uint8", 1), np.array(indices))


@pytest.mark.parametrize(
    "changes",
    [
        {"inverse": np.zeros((N - 1, 2, 3), np.float32)},
        {"inverse": np.zeros((N, 2, 2), np.float32)},
        {"colour": np.zeros((N, 3, 3), np.float32)},
        {"elastic": np.zeros((1, 3), np.float32)},
        {"look": np.zeros((N, 2), np.float32)},
        {"keys": np.zeros((N + 1, 2), np.uint64)},
        {"holes": np.zeros((N, 1, 3), np.int32)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_shapes_that_do_not_fit(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="do not have the images' shapes"):
        change(images("uint8", 1), np.arange(3), **changes)


@pytest.mark.parametrize(
    ("out", "scratch", "fill"), [((3, 6, 9, 1), 2, 1), ((4, 9, 6, 1), 2, 1), ((4, 6, 9, 1), 1, 1), ((4, 6, 9, 1), 2, 3)]
)
def test_results_that_do_not_fit(out: tuple[int, ...], scratch: int, fill: int) -> None:
    kernel: Any = _fast.kernels("float32").augment
    size = kernel.scratch_size(HEIGHT, WIDTH) if scratch > 1 else 10
    with pytest.raises(ValueError, match="do not have the images' shapes"):
        kernel.change_images(
            images("uint8", 1), np.arange(4), fill=np.zeros(fill, np.float32), out=np.zeros(out, np.float32),
            scratch=np.zeros((1, size), np.float32), threads=1, **nothing(),
        )  # fmt: skip
