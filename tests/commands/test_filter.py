"""``cnn filter``: numbers, pictures, pyramids, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn
from lecture_vectors import BLOCK
from PIL import Image

from cnncli.filtering import KERNELS, filter2d, pyramid


@pytest.fixture
def block(folder: Path) -> str:
    (folder / "f.csv").write_text("\n".join(",".join(f"{x:g}" for x in row) for row in BLOCK))
    return "f.csv"


@pytest.fixture
def grey(folder: Path) -> str:
    Image.fromarray(np.arange(80, dtype=np.uint8).reshape(8, 10) * 3).save(folder / "g.png")
    return "g.png"


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def table(text: str) -> list[list[float]]:
    return [[float(cell) for cell in line.split()] for line in text.split("\n\n")[0].splitlines()]


def test_numbers(cnn: Cnn, block: str) -> None:
    done = cnn("filter", block, "--kernel", "box3")
    assert (done.code, done.err) == (0, "")
    assert table(done.out) == filter2d(BLOCK, KERNELS["box3"]).tolist()
    assert done.out.splitlines()[6] == "10  20  30  30  30  30  20  10"
    assert done.out.splitlines()[-1] == "8x8, min 0, max 90, mean 34.6875"


def test_direction(cnn: Cnn, block: str) -> None:
    for option, sign in (("--correlate", 1), ("--convolve", -1), ("--mode=valid", -1)):
        row = table(cnn("filter", block, "--kernel", "sobel_x", option).out)[3]
        assert row == [sign * x for x in (0, 360, 270, 0, 90, 0, -360, -360)]


def test_modes_and_borders(cnn: Cnn, block: str) -> None:
    for mode, rows in (("valid", 6), ("same", 10), ("full", 14)):
        done = cnn("filter", block, "--kernel", "gaussian", "--mode", mode, "--border", "edge", "--json")
        values = json.loads(done.out)
        assert values["shape"] == [rows, rows]
        expected = filter2d(BLOCK, KERNELS["gaussian"], mode, "edge")  # type: ignore[arg-type]
        np.testing.assert_array_equal(values["values"], expected)


def test_moving_average(cnn: Cnn, folder: Path) -> None:
    (folder / "line.csv").write_text("3 6 9 12 0")
    done = cnn("filter", "line.csv", "--moving-average", "3")
    assert done.out.splitlines()[0].split() == ["6", "9", "7"]


def test_own_kernel(cnn: Cnn, folder: Path, block: str) -> None:
    (folder / "k.csv").write_text("0 1\n0 0\n")
    shifted = table(cnn("filter", block, "--kernel", "k.csv", "--correlate").out)
    assert shifted == BLOCK[:-1, 1:].tolist()


def test_json(cnn: Cnn, grey: str) -> None:
    values = json.loads(cnn("filter", grey, "--kernel", "laplacian", "-o", "l.png", "--json").out)
    assert values == {
        "source": grey, "kernel": "laplacian", "mode": "valid", "border": "zero", "flip": True, "shape": [6, 8],
        "min": 0.0, "max": 0.0, "mean": 0.0, "output": "l.png",
    }  # fmt: skip


def test_pictures_keep_brightness(cnn: Cnn, grey: str) -> None:
    done = cnn("filter", grey, "--kernel", "box3", "--mode", "same", "--border", "edge", "-o", "out.png")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("written to out.png\n")
    image = pixels(grey)
    expected = np.rint(filter2d(image, KERNELS["box3"], "same", "edge"))
    np.testing.assert_array_equal(pixels("out.png"), expected)


def test_signed_pictures_lie_around_grey(cnn: Cnn, grey: str) -> None:
    done = cnn("filter", grey, "--kernel", "sobel_x", "--correlate", "--mode", "same", "-o", "out.png")
    assert "out.png: 0 is mid-grey (128), " in done.err
    values = filter2d(pixels(grey), KERNELS["sobel_x"], "same", flip=False)
    drawn = pixels("out.png").astype(float)
    np.testing.assert_allclose((drawn - 128) / 127 * np.abs(values).max(), values, atol=np.abs(values).max() / 250)


def test_what_is_cut_off_is_said(cnn: Cnn, folder: Path) -> None:
    Image.fromarray(np.where(np.arange(64).reshape(8, 8) % 3, 255, 0).astype(np.uint8)).save(folder / "x.png")
    done = cnn("filter", "x.png", "--kernel", "sharpen", "-o", "out.png")
    assert "of the numbers lie outside 0..255 and are cut off" in done.err


def test_sums_are_scaled_down(cnn: Cnn, folder: Path, grey: str) -> None:
    (folder / "k.csv").write_text("1 1 1\n")
    done = cnn("filter", grey, "--kernel", "k.csv", "-o", "out.png")
    assert done.err == "out.png: 0 is black, 702 white\n"
    assert pixels("out.png").max() == 255


def test_colour(cnn: Cnn, folder: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(colours).save(folder / "c.png")
    assert cnn("filter", "c.png", "--kernel", "binomial3", "-o", "out.png").code == 0
    expected = np.rint(filter2d(colours, KERNELS["binomial3"]))
    np.testing.assert_array_equal(pixels("out.png"), expected)
    done = cnn("filter", "c.png", "--kernel", "binomial3", "-o", "out.csv")
    assert done.code == 2
    assert "three colours" in done.err


def test_deep_grey(cnn: Cnn, folder: Path) -> None:
    Image.fromarray(np.full((5, 5), 30000, np.uint16)).save(folder / "d.png")
    done = cnn("filter", "d.png", "--kernel", "box3", "-o", "out.png")
    assert done.out.startswith("3x3, min 30000, max 30000")
    assert (pixels("out.png") == round(30000 / 65535 * 255)).all()


def test_pyramid(cnn: Cnn, block: str) -> None:
    done = cnn("filter", block, "--pyramid", "2", "-o", "p.csv", "--json")
    first, second = map(json.loads, done.out.splitlines())
    levels = pyramid(BLOCK, 2)
    np.testing.assert_array_equal(first["values"], levels[0])
    np.testing.assert_allclose(np.loadtxt("p-2.csv", delimiter=","), levels[1], atol=1e-9)
    assert (first["samples"], first["rank"], first["sampling"]) == (100, 25, "under-sampled")
    assert (second["level"], second["output"]) == (2, "p-2.csv")
    assert "level 1: 5x5 of 10x10, under-sampled" in cnn("filter", block, "--pyramid", "1").out
    zero = json.loads(cnn("filter", block, "--pyramid", "1", "--border", "zero", "--kernel", "box2", "--json").out)
    np.testing.assert_array_equal(zero["values"], pyramid(BLOCK, 1, "box2", "zero")[0])


def test_pictures_of_a_pyramid(cnn: Cnn, grey: str) -> None:
    assert cnn("filter", grey, "--pyramid", "3", "-o", "p.png").code == 0
    assert [pixels(f"p-{level}.png").shape for level in (1, 2, 3)] == [(4, 5), (2, 3), (1, 2)]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "name one of --kernel, --moving-average or --pyramid"),
        (["--kernel", "box3", "--moving-average", "3"], 2, "name one of"),
        (["--kernel", "lapacian"], 2, "there is no such kernel; did you mean 'laplacian'?"),
        (["--kernel", "no.csv"], 66, "no.csv: there is no such file"),
        (["--moving-average", "4"], 2, "an odd one"),
        (["--moving-average", "11"], 2, "a kernel of 1x11 lies nowhere within 10x10"),
        (["--pyramid", "2", "--mode", "same"], 2, "--pyramid has no --mode"),
        (["--pyramid", "2", "--kernel", "sobel_x"], 2, "a pyramid takes binomial5, binomial3, box2, none"),
        (["--kernel", "box3", "-o", "out.jpg"], 2, "must end in .png or .csv"),
        (["--kernel", "box3", "-o", "no/out.png"], 73, "cannot be written"),
    ],
)
def test_refusals(cnn: Cnn, block: str, args: list[str], code: int, message: str) -> None:
    done = cnn("filter", block, *args)
    assert done.code == code
    assert message in done.err


def test_what_is_no_image(cnn: Cnn, folder: Path) -> None:
    (folder / "x.png").write_text("hello")
    assert cnn("filter", "x.png", "--kernel", "box3")[::2] == (65, "error: x.png: not an image (looks like text)\n")
    assert cnn("filter", "no.png", "--kernel", "box3").code == 66
