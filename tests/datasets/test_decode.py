"""decode_image: each format and mode gives the documented pixels; whatever is no sound image gives one clear line."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from dataset_files import image_bytes, pixels, write_image
from PIL import Image

from cnncli.datasets._fit import fit, fit_all
from cnncli.datasets._images import MAX_BYTES, decode_image, probe_image
from cnncli.errors import CnnError, DataError, MissingError

GREY = pixels(9, 7)
COLOUR = pixels(9, 7, 3, seed=1)
ALPHA = pixels(9, 7, 4, seed=2)
DEEP = pixels(9, 7, dtype=np.uint16, seed=3)


def palette_image(colours: np.ndarray) -> Image.Image:
    image = Image.new("P", (7, 9))
    image.putdata((GREY % 8).ravel().tolist())
    image.putpalette(colours[:8].ravel().tolist())
    return image


def on_black(rgba: np.ndarray) -> np.ndarray:
    """Composition on black by its formula, to within one of 255."""
    return rgba[:, :, :3] * (rgba[:, :, 3:] / 255.0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM"])
def test_lossless_formats_keep_grey_and_colour(kind: str) -> None:
    np.testing.assert_array_equal(decode_image(image_bytes(GREY, kind)), GREY[:, :, None])
    np.testing.assert_array_equal(decode_image(image_bytes(COLOUR, kind)), COLOUR)


def test_webp_is_colour() -> None:
    np.testing.assert_array_equal(decode_image(image_bytes(COLOUR, "WEBP", lossless=True)), COLOUR)


def test_jpeg_grey_colour_and_cmyk() -> None:
    assert decode_image(image_bytes(GREY, "JPEG")).shape == (9, 7, 1)
    flat = np.full((9, 7, 3), (200, 100, 50), np.uint8)
    assert np.abs(decode_image(image_bytes(flat, "JPEG", quality=95)).astype(int) - flat).max() <= 4
    assert decode_image(image_bytes(Image.new("CMYK", (7, 9)), "JPEG")).shape == (9, 7, 3)


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(GREY).convert("1")
    for kind in ("PNG", "PPM", "BMP"):
        np.testing.assert_array_equal(decode_image(image_bytes(image, kind))[:, :, 0], np.asarray(image.convert("L")))


def test_palette_of_colours_and_of_greys() -> None:
    colours = pixels(8, 3, seed=4)
    greys = np.repeat(pixels(8, 1, seed=5), 3, axis=1)
    for kind in ("PNG", "GIF", "BMP"):
        np.testing.assert_array_equal(decode_image(image_bytes(palette_image(colours), kind)), colours[GREY % 8])
        decoded = decode_image(image_bytes(palette_image(greys), kind))
        np.testing.assert_array_equal(decoded, greys[GREY % 8][:, :, :1])


def test_transparent_palette_entry_becomes_black() -> None:
    colours = np.maximum(pixels(8, 3, seed=4), 1)
    decoded = decode_image(image_bytes(palette_image(colours), "PNG", transparency=3))
    np.testing.assert_array_equal(decoded, np.where((GREY % 8 == 3)[:, :, None], 0, colours[GREY % 8]))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_composited_on_black(kind: str) -> None:
    decoded = decode_image(image_bytes(ALPHA, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})))
    assert np.abs(decoded - on_black(ALPHA)).max() <= 1.0


def test_grey_with_alpha_stays_grey() -> None:
    image = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(ALPHA[:, :, 3])))
    decoded = decode_image(image_bytes(image))
    assert decoded.shape == (9, 7, 1)
    assert np.abs(decoded[:, :, 0] - GREY * (ALPHA[:, :, 3] / 255.0)).max() <= 1.0


@pytest.mark.parametrize("kind", ["PNG", "PPM"])
def test_deep_grey_stays_deep(kind: str) -> None:
    decoded = decode_image(image_bytes(DEEP, kind))
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded[:, :, 0], DEEP)
    np.testing.assert_array_equal(decode_image(image_bytes(DEEP, kind), channels=3), np.repeat(decoded, 3, axis=2))


def test_pgm_of_few_levels_uses_the_whole_range() -> None:
    decoded = decode_image(b"P2 3 1 15\n0 5 15\n")
    np.testing.assert_array_equal(decoded.ravel(), [0, 85, 255])


def test_grey_conversion_is_pillows() -> None:
    expected = np.asarray(Image.fromarray(COLOUR).convert("L"))
    np.testing.assert_array_equal(decode_image(image_bytes(COLOUR), channels=1)[:, :, 0], expected)


def test_grey_conversion_of_16_bits_and_floats_agrees() -> None:
    deep = COLOUR.astype(np.uint16) * 257
    luma = COLOUR @ [0.299, 0.587, 0.114]
    assert np.abs(fit(deep, None, 1)[:, :, 0] / 257.0 - luma).max() < 0.01
    assert np.abs(fit((COLOUR / 255).astype(np.float32), None, 1)[:, :, 0] * 255 - luma).max() < 1e-3
    assert fit(deep, None, 1).dtype == np.uint16
    white = np.full((2, 2, 3), 65535, np.uint16)
    np.testing.assert_array_equal(fit(white, None, 1), 65535)


def test_grey_to_colour_repeats() -> None:
    np.testing.assert_array_equal(decode_image(image_bytes(GREY), channels=3), np.repeat(GREY[:, :, None], 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_exif_rotation(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8] = 255  # the bright corner must come back to the upper left
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    path = write_image(tmp_path / "x", np.ascontiguousarray(stored), kind, exif=exif)
    decoded = decode_image(path, channels=1)[:, :, 0]
    assert decoded.shape == upright.shape == probe_image(path)[0]
    assert np.abs(decoded.astype(int) - upright).max() < 60


def test_damaged_exif_is_no_obstacle() -> None:
    np.testing.assert_array_equal(decode_image(image_bytes(GREY, exif=b"Exif\0\0rubbish"))[:, :, 0], GREY)


def test_animation_gives_its_first_frame() -> None:
    first, second = (Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200))
    for kind in ("GIF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        decoded = decode_image(image_bytes(first, kind, save_all=True, append_images=[second], **options), channels=1)
        np.testing.assert_array_equal(decoded, 10)


def test_resizing_is_antialiased_and_only_where_sizes_differ() -> None:
    checks = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = decode_image(image_bytes(checks.astype(np.uint8)), size=(8, 8))
    assert small.shape == (8, 8, 1)
    assert np.abs(small.astype(int) - 127).max() <= 3
    np.testing.assert_array_equal(decode_image(image_bytes(COLOUR), size=(9, 7)), COLOUR)
    assert decode_image(image_bytes(COLOUR), size=(20, 30)).shape == (20, 30, 3)


def test_resizing_agrees_between_types() -> None:
    large = pixels(40, 30, 3, seed=6)
    eight = fit(large, (10, 12), None)
    sixteen = fit(large.astype(np.uint16) * 257, (10, 12), None)
    floating = fit((large / 255).astype(np.float32), (10, 12), None)
    assert sixteen.dtype == np.uint16
    assert np.abs(sixteen / 257.0 - floating * 255).max() < 0.01
    # 8 bits are rounded after each of three steps: blocks, rows, columns
    assert np.abs(eight - floating * 255).max() < 1.5


def test_fit_all_is_fit_of_each() -> None:
    images = pixels(3, 9, 7, 3)
    expected = np.stack([fit(image, (5, 6), 1) for image in images])
    np.testing.assert_array_equal(fit_all(images, (5, 6), 1), expected)
    with pytest.raises(DataError, match="4 channels cannot be turned into 3"):
        fit_all(pixels(1, 2, 2, 4), None, 3)


def test_path_and_content_give_the_same(tmp_path: Path) -> None:
    path = write_image(tmp_path / "a.png", COLOUR)
    for source in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(decode_image(source, (4, 4), 1), decode_image(path, (4, 4), 1))


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [(GREY, "PNG", 1), (COLOUR, "JPEG", 3), (ALPHA, "PNG", 3), (DEEP, "PNG", 1), (GREY, "GIF", 1), (GREY, "WEBP", 3)],
)
def test_probe_foretells_decoding(array: np.ndarray, kind: str, expected: int, tmp_path: Path) -> None:
    path = write_image(tmp_path / "x", array, kind)
    size, channels = probe_image(path)
    assert (*size, channels) == decode_image(path).shape == (9, 7, expected)


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "an empty file"),
    "text": (b"this is not a picture\n", r"not an image \(looks like text\)"),
    "html": ("<html>Grüße".encode(), "looks like text"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    "zeros": (bytes(100), "not an image, or damaged"),
    "tiff": (image_bytes(GREY, "TIFF"), "not an image, or damaged at its start; PNG, JPEG"),
    "cut png": (image_bytes(pixels(50, 50))[:1000], "cannot be decoded"),
    "cut jpeg": (image_bytes(pixels(50, 50), "JPEG")[:1000], "cannot be decoded: .*truncated"),
    "cut gif": (image_bytes(pixels(50, 50), "GIF")[:2000], "cannot be decoded"),
    "cut bmp": (image_bytes(pixels(50, 50), "BMP")[:2000], "cannot be decoded"),
    "cut webp": (image_bytes(pixels(50, 50), "WEBP")[:200], "cannot be decoded"),
    "cut pgm": (image_bytes(pixels(50, 50), "PPM")[:2000], "cannot be decoded"),
    "26 megapixels": (huge_png(5200, 5000), "more than the 25000000 pixels"),
    "bomb": (huge_png(60_000, 60_000), "more than the 25000000 pixels"),
    "float": (b"Pf\n2 2\n-1.0\n" + bytes(16), "floating-point images are not read"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_images_give_one_clear_line(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        decode_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"^stdin: "):
        decode_image(content, name="stdin")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no such file"):
        decode_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="is a folder"):
        decode_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="is no regular file"):
        decode_image(tmp_path / "pipe.png")
    with pytest.raises(CnnError, match="cannot be"):
        decode_image("a\0b.png")


def test_file_larger_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with open(path, "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(DataError, match="64000001 bytes, more than the 64000000 allowed"):
        decode_image(path)


def test_control_characters_do_not_reach_the_message(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nb.png"
    path.write_bytes(b"text")
    with pytest.raises(DataError) as caught:
        decode_image(path)
    assert "a?[31m?b.png" in str(caught.value)


def damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """A copy with some bytes changed, cut off, repeated or left out."""
    for _ in range(int(generator.integers(1, 4))):
        at, length, kind = (int(generator.integers(limit)) for limit in (len(content) + 1, 9, 5))
        head, middle, tail = content[:at], content[at : at + length], content[at + length :]
        noise = generator.integers(0, 256, len(middle), np.uint8).tobytes()
        content = [head + noise + tail, head, head + tail, head + middle * 2 + tail, head + b"\xff" * length + tail][
            kind
        ]
    return content


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM"])
def test_mutants_raise_nothing_but_our_errors(kind: str) -> None:
    generator = np.random.default_rng(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}
    content = image_bytes(pixels(12, 10, 3), kind, **options)
    survivors = 0
    for _ in range(300):
        try:
            image = decode_image(damaged(content, generator), (8, 8), 1)
        except CnnError:
            continue
        assert image.shape == (8, 8, 1)
        survivors += 1
    # the mutants are neither all hopeless nor all harmless
    assert 0 < survivors < 300
