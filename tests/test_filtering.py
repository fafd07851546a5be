"""Filters and the pyramid: the lecture's vectors, identities, borders; and reading matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lecture_vectors import BLOCK
from lecture_vectors.images import PYRAMID, PYRAMID_OF_SAMPLE, ROW_SUMS_WITH_ZEROS, SAMPLE
from reference.filtering import filter_matrix

from cnncli.errors import CnnError
from cnncli.filtering import (
    BORDERS,
    KERNELS,
    LOW_PASS,
    MODES,
    Border,
    filter2d,
    gaussian,
    moving_average,
    projection,
    pyramid,
    read_matrix,
    sampling,
)  # fmt: skip

BOX_TABLE = """
0 10 20 30 30 30 20 10
0 20 40 60 60 60 40 20
0 30 60 90 90 90 60 30
0 30 50 80 80 90 60 30
0 30 50 80 80 90 60 30
0 20 30 50 50 60 40 20
10 20 30 30 30 30 20 10
10 10 10 0 0 0 0 0
"""


def numbers(text: str) -> np.ndarray:
    return np.array([[float(cell) for cell in line.split()] for line in text.strip().splitlines()])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_box_table() -> None:
    y = filter2d(BLOCK, KERNELS["box3"])
    np.testing.assert_array_equal(y, numbers(BOX_TABLE))
    assert (BLOCK.sum(), y.sum()) == (2250, 2220)


def test_sobel_is_turned_by_convolution_only() -> None:
    row = [0, 360, 270, 0, 90, 0, -360, -360]
    np.testing.assert_array_equal(filter2d(BLOCK, KERNELS["sobel_x"], flip=False)[3], row)
    np.testing.assert_array_equal(filter2d(BLOCK, KERNELS["sobel_x"])[3], np.negative(row))
    down = filter2d(BLOCK.T, KERNELS["sobel_y"], flip=False)
    np.testing.assert_array_equal(down[:, 3], row)


@pytest.mark.parametrize("border", PYRAMID)
def test_pyramid_of_the_block(border: Border) -> None:
    (level,) = pyramid(BLOCK, 1, border=border)
    for row, text in PYRAMID[border].items():
        np.testing.assert_array_equal(level[row], numbers(text)[0])


@pytest.mark.parametrize("border", PYRAMID_OF_SAMPLE)
def test_pyramid_of_the_sample(border: Border) -> None:
    (level,) = pyramid(SAMPLE[0, 0], 1, border=border)
    np.testing.assert_array_equal(level[0], numbers(PYRAMID_OF_SAMPLE[border])[0])


def test_pyramid_that_only_skips() -> None:
    text = "0 0 0 0 0\n0 0 90 90 0\n0 0 90 90 0\n0 0 90 90 0\n0 90 0 0 0"
    np.testing.assert_array_equal(pyramid(BLOCK, 1, "none")[0], numbers(text))


def test_pyramid_of_box2_averages_squares() -> None:
    expected = BLOCK.reshape(5, 2, 5, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(pyramid(BLOCK, 1, "box2")[0], expected)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("low_pass", LOW_PASS)
def test_pyramid_is_its_projections(rng: np.random.Generator, low_pass: str, border: Border) -> None:
    for rows, columns in ((7, 10), (1, 4), (2, 3)):
        image = rng.normal(size=(rows, columns))
        down, across = (projection(size, low_pass, border) for size in (rows, columns))
        np.testing.assert_allclose(down, filter_matrix(rows, LOW_PASS[low_pass], border)[::2], atol=1e-15)
        np.testing.assert_allclose(pyramid(image, 1, low_pass, border)[0], down @ image @ across.T, atol=1e-14)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("low_pass", LOW_PASS)
def test_rank_and_row_sums_of_projections(low_pass: str, border: Border) -> None:
    for size in range(1, 33):
        step = projection(size, low_pass, border)
        assert np.linalg.matrix_rank(step) == len(step) == -(-size // 2)
        if border != "zero":
            np.testing.assert_allclose(step.sum(axis=1), 1, rtol=1e-15)
    if border == "zero" and low_pass in ROW_SUMS_WITH_ZEROS:
        np.testing.assert_array_equal(
            projection(10, low_pass, border).sum(axis=1), numbers(ROW_SUMS_WITH_ZEROS[low_pass])[0]
        )


def test_a_step_on_an_image_is_the_product_of_two_projections() -> None:
    """The Kronecker product acts on the image's samples in a row, and its rank is the number of those that it keeps."""
    rng = np.random.default_rng(1)
    for rows, columns in ((5, 6), (4, 3)):
        image, step = rng.normal(size=(rows, columns)), np.kron(projection(rows), projection(columns))
        np.testing.assert_allclose(pyramid(image, 1)[0].ravel(), step @ image.ravel(), atol=1e-14)
        assert np.linalg.matrix_rank(step) == -(-rows // 2) * -(-columns // 2)


def test_levels_of_a_pyramid() -> None:
    levels = pyramid(np.ones((28, 5, 3)), 6)
    assert [level.shape for level in levels] == [(14, 3, 3), (7, 2, 3), (4, 1, 3), (2, 1, 3), (1, 1, 3), (1, 1, 3)]
    assert all(np.allclose(level, 1) for level in levels)


def test_kinds_of_sampling() -> None:
    assert [sampling(m, 4) for m in (3, 4, 5)] == ["under-sampled", "critically sampled", "over-sampled"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (1, 5)])
def test_modes_against_numpy(rng: np.random.Generator, mode: str, shape: tuple[int, int]) -> None:
    """Each row convolved with each row of the kernel by numpy, and what belongs together added."""
    x, kernel = rng.normal(size=(6, 7)), rng.normal(size=shape)
    rows, columns = shape
    full = np.zeros((6 + rows - 1, 7 + columns - 1))
    for i, line in enumerate(x):
        for k, taps in enumerate(kernel):
            full[i + k] += np.convolve(line, taps)
    cuts = {"valid": [(size - 1, size - 1) for size in shape], "same": [(s // 2, (s - 1) // 2) for s in shape]}
    (top, bottom), (left, right) = cuts.get(mode, [(0, 0), (0, 0)])
    expected = full[top : full.shape[0] - bottom, left : full.shape[1] - right]
    np.testing.assert_allclose(filter2d(x, kernel, mode), expected, atol=1e-12)  # type: ignore[arg-type]
    turned = filter2d(x, kernel[::-1, ::-1], mode, flip=False)  # type: ignore[arg-type]
    np.testing.assert_array_equal(turned, filter2d(x, kernel, mode))  # type: ignore[arg-type]


def test_identities(rng: np.random.Generator) -> None:
    x, a, b = rng.normal(size=(8, 9)), rng.normal(size=(3, 3)), rng.normal(size=(3, 5))
    delta = np.zeros((3, 3))
    delta[1, 1] = 1
    np.testing.assert_array_equal(filter2d(x, delta, "same"), x)
    np.testing.assert_allclose(filter2d(a, b, "full"), filter2d(b, a, "full"), atol=1e-14)
    np.testing.assert_allclose(
        filter2d(filter2d(x, a, "full"), b, "full"), filter2d(x, filter2d(a, b, "full"), "full"), atol=1e-12
    )
    np.testing.assert_allclose(filter2d(2 * x + 1, a), 2 * filter2d(x, a) + a.sum(), atol=1e-13)
    moved = np.roll(x, 1, axis=1)
    np.testing.assert_array_equal(filter2d(moved, a)[:, 1:], filter2d(x, a)[:, :-1])


def test_borders() -> None:
    x = np.array([[1.0, 2.0, 4.0]])
    mean = np.ones((1, 3))
    assert filter2d(x, mean, "same", "zero").tolist() == [[3, 7, 6]]
    assert filter2d(x, mean, "same", "edge").tolist() == [[4, 7, 10]]
    assert filter2d(x, mean, "same", "reflect").tolist() == [[5, 7, 8]]
    assert filter2d(np.array([[3.0]]), mean, "same", "reflect").tolist() == [[9]]


def test_colours_are_filtered_one_by_one(rng: np.random.Generator) -> None:
    x = rng.integers(0, 256, (6, 5, 3), np.uint8)
    y = filter2d(x, KERNELS["sharpen"], "same", "edge")
    for channel in range(3):
        np.testing.assert_array_equal(y[..., channel], filter2d(x[..., channel], KERNELS["sharpen"], "same", "edge"))


def test_kernels() -> None:
    sums = {name: round(float(kernel.sum()), 12) for name, kernel in KERNELS.items()}
    assert sums == {name: 0 if name.startswith(("sobel", "laplacian")) else 1 for name in KERNELS}
    np.testing.assert_allclose(KERNELS["gaussian"][0, :3], [0.00296902, 0.01330621, 0.02193823], atol=5e-9)
    np.testing.assert_allclose(gaussian(3, 1.0)[1, 1], 0.20417996, atol=5e-9)
    assert moving_average(3).tolist() == [[1 / 3] * 3]


def test_a_kernel_that_fits_nowhere() -> None:
    with pytest.raises(ValueError, match="5x5 lies nowhere within 4x9"):
        filter2d(np.zeros((4, 9)), KERNELS["gaussian"])


def test_matrices(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xef\xbb\xbf1, 2.5;-3e1\r\n\r\n4\t5 6\r\n")
    assert read_matrix(path).tolist() == [[1, 2.5, -30], [4, 5, 6]]


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        (None, "there is no such file", 66),
        (b"", "holds no numbers", 65),
        (b"1 2\n3\n", r"m.csv:2: 1 numbers, but 2 in the first row", 65),
        (b"1 2\n3 x\n", r"m.csv:2: must be numbers, found '3 x'", 65),
        (b"\x89PNG\r\n\x1a\n", r"m.csv:1: must be numbers", 65),
        (b"1 nan\n", "NaN and infinity", 65),
    ],
)
def test_what_is_no_matrix(tmp_path: Path, content: bytes | None, message: str, code: int) -> None:
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CnnError, match=message) as error:
        read_matrix(path)
    assert error.value.exit_code == code
    assert "\n" not in str(error.value)
