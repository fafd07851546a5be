"""What an augmentation is: options, how many random numbers it wants for an image, and what these do to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from cnncli import registry
from cnncli.fields import Path, Problem, from_mapping, options, show, to_mapping

MAX_SIGMA = 16  # of Gaussians, in pixels; the kernel has room for four times as much on each side


@dataclass(frozen=True, eq=False)
class Mix:
    """What each image gets of a partner.

    Attributes
    ----------
    own : ndarray of float64, shape (images,)
        Its own share, at least 1/2; the partner has the rest.
    boxes : ndarray of int, shape (images, 4), optional
        Where the partner is seen: first row, the row behind the last, columns likewise. Without them it is seen
        everywhere, by its share.
    """

    own: np.ndarray
    boxes: np.ndarray | None = None


class Changes:
    """What is done to each of some images: colour, geometry, blur, light, noise, holes, and mixing, in this order.

    Parameters
    ----------
    count : int
    size : (height, width)

    Attributes
    ----------
    matrix, shift : ndarray of float64, shapes (2, 2, images) and (2, images)
        A point p, (row, column) from the middle of the frame, moves to ``matrix @ p + shift``.
    colour : ndarray of float64, shape (images, 3, 3), or None
        What (red, green, blue) are multiplied by.
    elastic : list of (float, float)
        Strength and width of random fields by which points move besides.
    blur : ndarray of float64, shape (images,)
        Standard deviation of a Gaussian, in pixels.
    gain, offset : ndarray of float64, shape (images,)
        Each channel becomes ``mean + gain * (channel - mean) + offset``, in 0..1.
    noise : float
        Standard deviation of what is added to each pixel.
    holes : list of ndarray of int32, shape (images, 4)
        First row, the row behind the last, first column, the column behind the last.
    mixes : list of Mix
    """

    def __init__(self, count: int, size: tuple[int, int]) -> None:
        self.size = size
        self.matrix = np.repeat(np.eye(2)[..., np.newaxis], count, axis=2)
        self.shift = np.zeros((2, count))
        self.colour: np.ndarray | None = None
        self.elastic: list[tuple[float, float]] = []
        self.blur = np.zeros(count)
        self.gain, self.offset = np.ones(count), np.zeros(count)
        self.noise = 0.0
        self.holes: list[np.ndarray] = []
        self.mixes: list[Mix] = []

    def transform(self, a: Any, b: Any, c: Any, d: Any) -> None:
        """After what was done before, move p to ``[[a, b], [c, d]] @ p``; each a number, or one per image."""
        (e, f), (g, h) = self.matrix
        self.matrix = np.array([[a * e + b * g, a * f + b * h], [c * e + d * g, c * f + d * h]])
        row, column = self.shift
        self.shift = np.array([a * row + b * column, c * row + d * column])

    def change_colour(self, matrices: np.ndarray) -> None:
        """After what was done before, multiply colours by a matrix per image, (images, 3, 3)."""
        self.colour = matrices if self.colour is None else matrices @ self.colour

    def inverse(self) -> np.ndarray:
        """Where a pixel (row, column, 1) of the result comes from: float32, shape (images, 2, 3)."""
        (a, b), (c, d) = self.matrix
        back = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
        row, column = ((side - 1) / 2 for side in self.size)
        down, right = row + self.shift[0], column + self.shift[1]
        start = [row - back[0, 0] * down - back[0, 1] * right, column - back[1, 0] * down - back[1, 1] * right]
        found = np.empty((len(a), 2, 3), np.float32)
        found[:, :, :2], found[:, :, 2] = np.moveaxis(back, 2, 0), np.transpose(start)
        return found


@dataclass(frozen=True)
class Augmentation:
    """Base of all augmentations: a frozen dataclass of options.

    In a config it is ``name``, ``name: {options}``, or ``name: value``, where the value is that of the first option.

    Attributes
    ----------
    draws : int
        Random numbers that it wants for an image.
    only_colour : bool
        Whether grey images cannot be changed so.
    """

    accepts: ClassVar[str] = "augmentations such as {shift: 2}"
    draws: ClassVar[int] = 1
    only_colour: ClassVar[bool] = False

    def apply(self, u: np.ndarray, changes: Changes) -> None:
        """Add to the changes of all images; u, (draws, images), is uniform in (0, 1)."""
        raise AssertionError(f"{type(self).__name__} does nothing")

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What `read` reads, as JSON Schema: in `cnncli.schema`, which knows all of them."""
        return {"$ref": "#/definitions/augmentation"}

    def plain(self) -> dict[str, Any]:
        """What `read` makes it of again."""
        return {registry.name_of(self): to_mapping(self)}

    @classmethod
    def read(cls, value: Any, path: Path, problems: list[Problem]) -> Augmentation | None:
        """An entry of the list as an object, or None and everything that is wrong with it added to `problems`."""
        names = registry.names("augmentations")
        entry = {value: None} if isinstance(value, str) else value
        if not isinstance(entry, dict) or len(entry) != 1:
            problems.append(Problem(path, f"must be one augmentation such as shift: 2, found {show(value)}"))
            return None
        ((name, given),) = entry.items()
        where = path if isinstance(value, str) else (*path, name)
        if name not in names:
            message = f"unknown augmentation {show(name)}; {registry.suggest(str(name), names)}"
            problems.append(Problem(where, message, at_key=True))
            return None
        kind: Any = registry.get("augmentations", name)
        if given is None or isinstance(given, dict):
            return from_mapping(kind, given, where, problems)
        first = options(kind)[0].name
        found: list[Problem] = []
        made: Augmentation | None = from_mapping(kind, {first: given}, where, found)
        problems.extend(replace(problem, path=where) for problem in found)
        return made


def around_zero(u: np.ndarray, reach: float) -> np.ndarray:
    """Uniform in (-reach, reach)."""
    return reach * (2 * u - 1)


def whole_steps(u: np.ndarray, reach: int) -> np.ndarray:
    """Whole numbers from -reach to reach, each as likely as the others."""
    return np.floor(u * (2 * reach + 1)) - reach
