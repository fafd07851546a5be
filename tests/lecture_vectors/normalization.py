"""1.9, 1.17, 7.3, E3: contrast and brightness normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .images import BLOCK, F
from .vector import Array, Printed, Step, Vector, at, maps, numbers, one, total

IMPULSE = np.zeros((11, 11))
IMPULSE[5, 5] = 1.0
r, s = np.mgrid[:10, :10]
SECOND_MAP = ((3 * r + 5 * s) % 11) / 10.0
BRIGHTNESS = np.array([1.0, 2.0, -3.0, 0.5]).reshape(1, 4, 1, 1)


def gaussian(size: int, text: str, part: Callable[[Array], Any]) -> Vector:
    """The Gaussian window, read off what subtractive normalisation takes away from an impulse."""
    steps = one("subtractive_norm2d", size=size, sigma=1.0, across="none", border="zero")
    return Vector(f"gaussian {size}", maps(IMPULSE), steps, (Printed("y", text, lambda y: part(IMPULSE - y[0, 0])),))


def inside(text: str, part: Callable[[Array], Any]) -> Vector:
    """How much of the window lies inside the frame, read off what it takes away from ones."""
    steps = one("subtractive_norm2d", size=3, sigma=1.0, border="zero")
    return Vector("inside weight", maps(np.ones((10, 10))), steps, (Printed("y", text, lambda y: part(1 - y[0, 0])),))


def contrast(layer: str, across: str = "all") -> tuple[Step, ...]:
    options: dict[str, Any] = {"size": 3, "sigma": 1.0, "across": across, "border": "corrected"}
    return one(layer, **options) if layer == "subtractive_norm2d" else one(layer, **options, c="mean")


def brightness(name: str, text: str, **options: Any) -> Vector:
    return Vector(name, BRIGHTNESS, one("brightness_norm2d", **options), (Printed("y", text, np.ravel),))


NORM_VECTORS = [
    gaussian(3, "0.07511361 0.12384140 0.20417996", lambda w: w[[4, 4, 5], [4, 5, 5]]),
    gaussian(5, "0.00296902 0.01330621 0.02193823 0.16210282", lambda w: w[[3, 3, 3, 5], [3, 4, 5, 5]]),
    Vector(
        "gaussian 5 as a filter",
        maps(IMPULSE),
        one("fixed_filter2d", kernel="gaussian5"),
        (Printed("y", "0.00296902 0.01330621 0.02193823 0.16210282", lambda y: y[0, 0, [3, 3, 3, 5], [3, 4, 5, 5]]),),
    ),
    inside("0.526976369832 0.725931380939", lambda w: w[0, [0, 4]]),
    Vector(
        "subtractive on one map",
        F / 90,
        contrast("subtractive_norm2d"),
        numbers(
            "y",
            ("-0.795820044428", at(5, 4)),
            ("0.795820044428", at(8, 2)),
            ("0.473023630168", at(2, 3)),
        ),
    ),
    Vector(
        "contrast on one map",
        F / 90,
        contrast("contrast_norm2d"),
        numbers(
            "y",
            ("-1.72177598433", at(5, 4)),
            ("2.05966307222", at(8, 2)),
            ("1.61485867012", at(2, 3)),
            ("-4.08449260614", total(0)),
        ),
    ),
    Vector(
        "subtractive across two maps",
        maps(BLOCK / 90, SECOND_MAP),
        contrast("subtractive_norm2d"),
        (Printed("y", "-0.675448050057", at(5, 4)),),
    ),
    Vector(
        "contrast across two maps",
        maps(BLOCK / 90, SECOND_MAP),
        contrast("contrast_norm2d"),
        numbers(
            "y",
            ("-1.68766484532", at(5, 4)),
            ("1.06686512357", at(9, 9, channel=1)),
            ("-35.3242628938", total(0)),
            ("34.5007565668", total(1)),
        ),
    ),
    Vector(
        "contrast of each of two maps",
        maps(BLOCK / 90, SECOND_MAP),
        contrast("contrast_norm2d", across="none"),
        numbers(
            "y",
            ("-1.72177598433", at(5, 4)),
            ("-4.08449260614", total(0)),
            ("-1.13683077072", at(5, 4, channel=1)),
            ("-0.102217602789", total(1)),
        ),
    ),
    brightness("brightness", "0.51459575 1.02919149 -1.54378724 0.25729787", kappa=1.0, lambda_=0.1, mu=0.75),
    brightness("brightness kappa 2", "0.59428601 1.18857203 -1.78285804 0.29714301", kappa=2.0, lambda_=1e-4, mu=0.75),
    brightness(
        "brightness alexnet",
        "0.59429158 1.18857203 -1.78285804 0.29715414",
        kappa=2.0,
        lambda_=1e-4,
        mu=0.75,
        window=5,
    ),
]
