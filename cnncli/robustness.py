"""How much of its accuracy a network keeps when its images are disturbed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.datasets.base import Images
from cnncli.evaluation import predict
from cnncli.metrics import wilson_interval
from cnncli.model import BATCH, Model
from cnncli.significance import mcnemar
from cnncli.transforms import TRANSFORMS, Batch, Centre, background_of, scaled, unscaled

DISTURBED = 256  # images at once


@dataclass(frozen=True)
class Curve:
    """One network under one disturbance.

    Attributes
    ----------
    model : str
    transform : str
    images, classes : int
    hits : tuple of int
        Images named correctly at each level.
    same : tuple of int
        Images that get the answer they get undisturbed.
    p_values : tuple of float, optional
        Of McNemar's exact test against the first network, at each level.
    """

    model: str
    transform: str
    images: int
    classes: int
    hits: tuple[int, ...]
    same: tuple[int, ...]
    p_values: tuple[float, ...] | None

    @property
    def levels(self) -> tuple[float, ...]:
        return TRANSFORMS[self.transform].levels

    @property
    def neutral(self) -> int:
        """Position of the level that changes nothing."""
        return self.levels.index(TRANSFORMS[self.transform].neutral)

    @property
    def accuracies(self) -> list[float]:
        return [hits / self.images for hits in self.hits]

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """95 % intervals of the accuracies (Wilson)."""
        return [wilson_interval(hits, self.images) for hits in self.hits]

    @property
    def retention(self) -> list[float]:
        """Share of the undisturbed accuracy that is kept."""
        return [hits / (self.hits[self.neutral] or 1) for hits in self.hits]

    @property
    def area(self) -> float:
        """Mean accuracy over the range of levels, by the trapezoidal rule."""
        y, x = self.accuracies, self.levels
        total = sum((y[i] + y[i + 1]) / 2 * (x[i + 1] - x[i]) for i in range(len(x) - 1))
        return total / (x[-1] - x[0])

    @property
    def half_way(self) -> tuple[float | None, float | None]:
        """Levels below and above the neutral one at which half of the accuracy beyond chance is lost; None if never."""
        down = slice(self.neutral, None, -1)
        up = slice(self.neutral, None)
        return self._crossing(down), self._crossing(up)

    def _crossing(self, part: slice) -> float | None:
        levels, accuracies = self.levels[part], self.accuracies[part]
        limit = (accuracies[0] + 1 / self.classes) / 2
        if accuracies[0] <= 1 / self.classes:
            return None
        for i in range(1, len(levels)):
            if accuracies[i] < limit:
                share = (accuracies[i - 1] - limit) / (accuracies[i - 1] - accuracies[i])
                return levels[i - 1] + share * (levels[i] - levels[i - 1])
        return None


def measure(
    models: Sequence[tuple[str, Model, Images]],
    transforms: Sequence[str],
    centre: Centre = "image",
    background: float | None = None,
    poll: Callable[[str, str], None] = lambda model, transform: None,
) -> Iterator[Curve]:
    """Accuracy at every level of every disturbance, transform by transform and then model by model.

    Images are disturbed in the network's size, before preprocessing, and rounded to the precision they came in.

    Parameters
    ----------
    models : sequence of (name, Model, Images)
        The same images in the same order for all, each in the size of its network.
    transforms : sequence of str
        Of `TRANSFORMS`.
    centre : {"image", "mass"}
        See `cnncli.transforms.Batch`.
    background : float, optional
        What comes in from outside, in 0..1; by default what the frames of the images show, see `background_of`.
    poll : callable
        Told what begins.
    """
    outside = [
        background_of(images.images) if background is None else np.full(images.images.shape[3], background, np.float64)
        for _, _, images in models
    ]
    clean = [_answers(model, images.images, "", 0.0, outside[i], centre) for i, (_, model, images) in enumerate(models)]
    for transform in transforms:
        known = TRANSFORMS[transform]
        first: list[np.ndarray] = []
        for (name, model, images), undisturbed, colour in zip(models, clean, outside, strict=True):
            poll(name, transform)
            answers = [
                undisturbed
                if level == known.neutral
                else _answers(model, images.images, transform, level, colour, centre)
                for level in known.levels
            ]
            right = [answer == images.labels for answer in answers]
            yield Curve(
                model=name,
                transform=transform,
                images=len(images),
                classes=len(model.classes),
                hits=tuple(int(each.sum()) for each in right),
                same=tuple(int((answer == undisturbed).sum()) for answer in answers),
                p_values=tuple(map(mcnemar, first, right)) if first else None,
            )
            first = first or right


def _answers(
    model: Model, images: np.ndarray, transform: str, level: float, background: np.ndarray, centre: Centre
) -> np.ndarray:
    """The winning class of every image, disturbed unless `transform` is empty."""
    found = []
    for start in range(0, len(images), DISTURBED):
        some = images[start : start + DISTURBED]
        if transform:
            batch = Batch(scaled(some), start, background, centre)
            some = unscaled(TRANSFORMS[transform].apply(batch, level), some.dtype)
        found.append(predict(model.network(BATCH), model.preprocessing, some)[0].argmax(axis=1))
    return np.concatenate(found)
