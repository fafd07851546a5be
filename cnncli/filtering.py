"""Fixed linear filters on single images and matrices: convolution, borders, known kernels, the image pyramid.

Arrays are (rows, columns) or (rows, columns, channels), computed in float64; channels are filtered one by one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import numpy as np

from cnncli.datasets._files import failure, open_regular, shown
from cnncli.errors import DataError

Mode = Literal["valid", "same", "full"]
Border = Literal["zero", "reflect", "edge"]

MODES: tuple[Mode, ...] = get_args(Mode)
BORDERS: tuple[Border, ...] = get_args(Border)
MAX_BYTES = 64_000_000  # of a file of numbers
_NUMPY_BORDER: dict[Border, Literal["constant", "reflect", "edge"]] = {
    "zero": "constant",
    "reflect": "reflect",  # the edge sample is not repeated; continued with period 2 (size - 1)
    "edge": "edge",
}


def gaussian(size: int, sigma: float) -> np.ndarray:
    """exp(-(r^2 + s^2) / (2 sigma^2)) on a square window, divided by its sum.

    Parameters
    ----------
    size : int
        Rows and columns, odd.
    sigma : float
        In samples, above 0.

    Returns
    -------
    ndarray, shape (size, size)
    """
    r = np.arange(size) - size // 2
    taps = np.exp(-(r**2) / (2 * sigma**2))
    return np.outer(taps, taps) / taps.sum() ** 2


def moving_average(size: int) -> np.ndarray:
    """The mean of `size` neighbours in a row, as a kernel of shape (1, size)."""
    return np.full((1, size), 1 / size)


# 1-D low-pass filters of the pyramid; box2 averages a sample and the next one
LOW_PASS = {
    "binomial5": np.array([1, 4, 6, 4, 1]) / 16,
    "binomial3": np.array([1, 2, 1]) / 4,
    "box2": np.array([1, 1]) / 2,
    "none": np.array([1.0]),
}
_BOX = np.full((3, 3), 1 / 9)
_SOBEL_X = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
_IDENTITY = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
KERNELS: dict[str, np.ndarray] = {
    "box3": _BOX,
    "gaussian": gaussian(5, 1.0),
    "binomial3": np.outer(LOW_PASS["binomial3"], LOW_PASS["binomial3"]),
    "binomial5": np.outer(LOW_PASS["binomial5"], LOW_PASS["binomial5"]),
    "sharpen": 2 * _IDENTITY - _BOX,
    "sobel_x": _SOBEL_X,
    "sobel_y": _SOBEL_X.T,
    "laplacian": np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]),
}


def filter2d(
    image: np.ndarray, kernel: np.ndarray, mode: Mode = "valid", border: Border = "zero", flip: bool = True
) -> np.ndarray:
    """Convolve an image with a kernel, or correlate it.

    y[r, s] = sum_{k,t} kernel[k, t] x[r + k - before, s + t - before], the kernel turned by 180 degrees if `flip`.

    Parameters
    ----------
    image : ndarray, shape (rows, columns) or (rows, columns, channels)
    kernel : ndarray, shape (kernel rows, kernel columns)
    mode : {"valid", "same", "full"}
        Only places where the kernel lies within the image; as many as the image has samples ((K - 1) // 2 are added
        before and K // 2 after it); every place where it touches the image (K - 1 are added on both sides).
    border : {"zero", "reflect", "edge"}
        What is added: zeros, the image mirrored about its edge samples, or its edge samples.
    flip : bool
        Convolution as in mathematics; otherwise correlation, as in the layers of networks.

    Returns
    -------
    ndarray of float64

    Raises
    ------
    ValueError
        If no place is valid.
    """
    around = {
        "valid": [(0, 0) for _ in kernel.shape],
        "same": [((size - 1) // 2, size // 2) for size in kernel.shape],
        "full": [(size - 1, size - 1) for size in kernel.shape],
    }[mode]
    widths = [*around, *[(0, 0)] * (image.ndim - 2)]
    padded = np.pad(np.asarray(image, np.float64), widths, mode=_NUMPY_BORDER[border])
    rows, columns = (have - size + 1 for have, size in zip(padded.shape, kernel.shape, strict=False))
    if rows < 1 or columns < 1:
        raise ValueError(
            f"a kernel of {kernel.shape[0]}x{kernel.shape[1]} lies nowhere within {image.shape[0]}x{image.shape[1]}"
        )
    taps = kernel[::-1, ::-1] if flip else kernel
    y = np.zeros((rows, columns, *image.shape[2:]))
    for (k, t), tap in np.ndenumerate(taps):
        if tap:
            y += tap * padded[k : k + rows, t : t + columns]
    return y


def pyramid(
    image: np.ndarray, levels: int, low_pass: str = "binomial5", border: Border = "reflect"
) -> list[np.ndarray]:
    """Blur and keep every second row and column, again and again.

    Parameters
    ----------
    image : ndarray, shape (rows, columns) or (rows, columns, channels)
    levels : int
        How often.
    low_pass : str
        One of `LOW_PASS`, applied to rows and columns.
    border : {"reflect", "edge", "zero"}

    Returns
    -------
    list of ndarray
        Each of half the size of the one before, rounded up; the image itself is not among them.

    References
    ----------
    Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Communications 31(4), 1983.
    """
    taps = LOW_PASS[low_pass][np.newaxis]
    found = []
    for _ in range(levels):
        across = filter2d(image, taps, "same", border, flip=False)[:, ::2]
        image = filter2d(across, taps.T, "same", border, flip=False)[::2]
        found.append(image)
    return found


def projection(size: int, low_pass: str = "binomial5", border: Border = "reflect") -> np.ndarray:
    """One step of the pyramid along one axis as a matrix: blurring, then every second sample.

    Its rank is the number of its rows; the step on an image is the Kronecker product of two of them.

    Returns
    -------
    ndarray, shape (ceil(size / 2), size)
    """
    return filter2d(np.eye(size), LOW_PASS[low_pass][:, np.newaxis], "same", border, flip=False)[::2]


def sampling(kept: int, samples: int) -> str:
    """How a projection of `samples` onto `kept` numbers is called."""
    if kept == samples:
        return "critically sampled"
    return "over-sampled" if kept > samples else "under-sampled"


def read_matrix(path: str | Path) -> np.ndarray:
    """Read a file of numbers: a line for each row, numbers separated by commas, semicolons or blanks.

    Returns
    -------
    ndarray of float64, shape (rows, columns)

    Raises
    ------
    MissingError
        There is no such file.
    DataError
        It holds something else, or rows of different lengths.
    """
    try:
        with open_regular(path) as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise failure(path, error) from None
    if len(content) > MAX_BYTES:
        raise DataError(f"{shown(path)}: more than the {MAX_BYTES} bytes allowed for a matrix")
    text = content.decode("utf-8-sig", "replace")
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.replace(",", " ").replace(";", " ").split()
        if not cells:
            continue
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError:
            raise DataError(f"{shown(path)}:{number}: must be numbers, found {shown(line.strip()[:60])!r}") from None
        if len(cells) != len(rows[0]):
            raise DataError(f"{shown(path)}:{number}: {len(cells)} numbers, but {len(rows[0])} in the first row")
    if not rows:
        raise DataError(f"{shown(path)}: holds no numbers")
    matrix = np.array(rows)
    if not np.isfinite(matrix).all():
        raise DataError(f"{shown(path)}: NaN and infinity are no numbers to filter")
    return matrix
