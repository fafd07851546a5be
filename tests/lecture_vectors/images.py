"""1.3, 1.17, 7.3, E1: filters, pooling, skipping and the pyramid on the lecture's two images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .vector import Array, Printed, Step, Vector, maps, one, row, total, weights

r, s = np.mgrid[:10, :10]
BLOCK = np.where((r >= 2) & (r <= 6) & (s >= 3) & (s <= 7), 90.0, 0.0)
BLOCK[5, 4] = 0.0
BLOCK[8, 2] = 90.0
F = maps(BLOCK)
SAMPLE = maps(
    [
        [79, 5, 6, 90, 12, 34, 2, 1],
        [8, 90, 12, 34, 26, 78, 34, 5],
        [8, 1, 3, 90, 12, 34, 11, 61],
        [77, 90, 12, 34, 200, 2, 9, 45],
        [1, 3, 90, 12, 20, 1, 6, 23],
    ]
)
BOX = np.full((3, 3), 1 / 9)
SOBEL_X = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
PLACES = 10 * r + s


def convolution(kernel: Any, **options: Any) -> tuple[Step, ...]:
    return (Step("conv2d", weights(kernel), options),)


def filtered(name: str, text: str, steps: tuple[Step, ...], part: Callable[[Array], Any] | None = None) -> Vector:
    """A vector on f whose numbers are exact."""
    return Vector(name, F, steps, (Printed("y", text, part or (lambda y: y[0, 0].ravel()), exact=True),))


IMAGE_VECTORS = [
    filtered(
        "box 3x3",
        """0 10 20 30 30 30 20 10 / 0 20 40 60 60 60 40 20 / 0 30 60 90 90 90 60 30 / 0 30 50 80 80 90 60 30 /
        0 30 50 80 80 90 60 30 / 0 20 30 50 50 60 40 20 / 10 20 30 30 30 30 20 10 / 10 10 10 0 0 0 0 0""",
        convolution(BOX),
    ),
    filtered(
        "box 3x3 as a filter", "0 30 50 80 80 90 60 30", one("fixed_filter2d", kernel="box3", border="valid"), row(3)
    ),
    filtered("box 3x3 sum", "2220", convolution(BOX), total(0)),
    filtered("sum of f", "2250", one("subsample2d", skip=(0, 0)), total(0)),
    filtered("sobel", "0 360 270 0 90 0 -360 -360", convolution(SOBEL_X), row(3)),
    filtered("sobel flipped", "0 -360 -270 0 -90 0 360 360", convolution(SOBEL_X, flip=True), row(3)),
    filtered(
        "sobel as a filter",
        "0 360 270 0 90 0 -360 -360",
        one("fixed_filter2d", kernel="sobel_x", border="valid"),
        row(3),
    ),
    filtered(
        "average 2x2",
        "0 0 0 0 0 / 0 45 90 90 0 / 0 45 67.5 90 0 / 0 22.5 45 45 0 / 0 22.5 0 0 0",
        one("avg_pool2d", kernel_size=(2, 2)),
    ),
    filtered(
        "maximum 2x2",
        "0 0 0 0 0 / 0 90 90 90 0 / 0 90 90 90 0 / 0 90 90 90 0 / 0 90 0 0 0",
        one("max_pool2d", kernel_size=(2, 2)),
    ),
    Vector(
        "ties of maximum 2x2",
        F,
        one("max_pool2d", kernel_size=(2, 2)),
        (Printed("dx", "1103", lambda dx: np.sum(dx[0, 0] * PLACES), exact=True),),
    ),
    filtered(
        "average 3 stride 2 ceil",
        "15 15 0 0 0",
        one("avg_pool2d", kernel_size=(3, 3), stride=(2, 2), ceil_mode=True),
        row(4),
    ),
    filtered(
        "maximum 3 stride 2 ceil",
        "90 90 0 0 0",
        one("max_pool2d", kernel_size=(3, 3), stride=(2, 2), ceil_mode=True),
        row(4),
    ),
    filtered(
        "skip 1",
        "0 0 0 0 0 / 0 0 90 90 0 / 0 0 90 90 0 / 0 0 90 90 0 / 0 90 0 0 0",
        one("subsample2d", skip=(1, 1)),
    ),
    filtered("skip 2", "0 0 0 0 / 0 90 90 0 / 0 90 90 0 / 0 0 0 0", one("subsample2d", skip=(2, 2))),
]

PYRAMID = {
    "reflect": {
        0: "0 3.515625 10.546875 10.546875 3.515625",
        2: "0 26.71875 75.9375 82.96875 28.125",
        4: "4.921875 16.5234375 7.734375 5.2734375 1.7578125",
    },
    "zero": {0: "0 1.7578125 5.2734375 5.2734375 1.7578125", 4: "2.109375 14.4140625 7.3828125 5.2734375 1.7578125"},
}
PYRAMID["edge"] = PYRAMID["zero"]
PYRAMID_OF_SAMPLE = {
    "reflect": "37.5625 33.8359375 38.359375 26.1796875",
    "edge": "46.015625 32.76171875 37.1796875 17.9765625",
    "zero": "18.49609375 22.859375 25.9296875 14.4140625",
}
ROW_SUMS_WITH_ZEROS = {"binomial5": "0.6875 1 1 1 0.9375", "binomial3": "0.75 1 1 1 1"}


def pyramid(border: str, kernel: str = "binomial5") -> tuple[Step, ...]:
    return one("blur2d", kernel=kernel, border=border, stride=(2, 2))


PYRAMID_VECTORS = [
    *[
        filtered(f"pyramid {border} row {r}", text, pyramid(border), row(r))
        for border, rows in PYRAMID.items()
        for r, text in rows.items()
    ],
    *[
        Vector(f"pyramid of the sample {border}", SAMPLE, pyramid(border), (Printed("y", text, row(0), exact=True),))
        for border, text in PYRAMID_OF_SAMPLE.items()
    ],
    *[
        Vector(
            f"row sums {kernel} zero",
            maps(np.ones((10, 10))),
            pyramid("zero", kernel),
            (Printed("y", text, lambda y: y[0, 0, :, 2], exact=True),),
        )
        for kernel, text in ROW_SUMS_WITH_ZEROS.items()
    ],
]
