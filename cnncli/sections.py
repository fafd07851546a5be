"""The sections ``data`` and ``train`` of a config, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from cnncli.augmentations.base import Augmentation
from cnncli.fields import Constraint, Pair, at_least, between, field, not_empty, one_of, positive, show, unique
from cnncli.layers.base import Shape

_two_or_more = Constraint("at least two names", lambda names: len(names) >= 2, ["a"], (list,), {"minItems": 2})
_INTERVAL = "([1-9][0-9]{0,8}) (epoch|step|minute)s?"


@dataclass(frozen=True, kw_only=True)
class Image:
    """What every image is brought to."""

    size: Pair = field(at_least(1), doc="height and width in pixels")
    channels: int = field(one_of(1, 3), doc="1 is grey, 3 is colour")


@dataclass(frozen=True, kw_only=True)
class Normalize:
    """What is taken off pixels in 0..1, and what they are then divided by."""

    mean: float | tuple[float, ...] = field(doc="one number, or one per channel")
    std: float | tuple[float, ...] = field(positive, doc="one number, or one per channel")


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """The section ``data``. Paths are absolute."""

    train: str | None = field(not_empty, default=None, doc="path of the training set")
    validation: float | str | None = field(
        between(0, 1, "()"), not_empty, default=None, doc="share of the training set, or a path"
    )
    test: str | None = field(not_empty, default=None, doc="path of the test set")
    image: Image | None = field(default=None, doc="size and channels; taken from the data where it is uniform")
    classes: int | tuple[str, ...] | None = field(
        at_least(2), _two_or_more, unique, not_empty, default=None, doc="number of classes, or their names in order"
    )
    normalize: Literal["auto", "none"] | Normalize = field(
        default="auto", doc="mean and deviation of the training set, nothing, or given ones"
    )
    augment: tuple[Augmentation, ...] = field(
        default=(),
        doc="random changes of the training images, anew in every epoch: a list such as [{shift: 2}, {rotate: 10}]",
    )
    fill: Literal["auto", "edge"] | float = field(
        between(0, 1),
        default="auto",
        doc="what augmentation puts where an image does not reach: 0 (black) to 1 (white), the nearest pixel, "
        "or the median of the training images' outermost rows and columns",
    )

    @property
    def in_shape(self) -> Shape | None:
        """Shape of an image, if the config says it."""
        return None if self.image is None else (self.image.channels, *self.image.size)

    @property
    def class_count(self) -> int | None:
        """Number of classes, if the config says it."""
        return len(self.classes) if isinstance(self.classes, tuple) else self.classes


@dataclass(frozen=True)
class Interval:
    """A stretch of training."""

    accepts: ClassVar[str] = "a number of epochs, steps or minutes, such as '1 epoch', '500 steps' or '10 minutes'"

    count: int
    unit: Literal["epoch", "step", "minute"]

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What `parse` reads, as JSON Schema."""
        return {"type": "string", "pattern": f"^{_INTERVAL}$"}

    @classmethod
    def parse(cls, value: Any) -> Interval:
        """Read ``500 steps`` and its like.

        Raises
        ------
        ValueError
            If it is something else.
        """
        match = re.fullmatch(_INTERVAL, value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"must be {cls.accepts}; found {show(value)}")
        return cls(int(match[1]), match[2])  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Factors for some of the parameters; where several concern one, they are multiplied."""

    match: str = field(
        not_empty, doc="layers (`conv2d_1`) or their parameters (`conv2d_1.bias`); `*` stands for any letters"
    )
    lr_factor: float = field(at_least(0), default=1.0, doc="factor on the learning rate")
    decay_factor: float = field(at_least(0), default=1.0, doc="factor on the weight decay")

    def concerns(self, parameter: str) -> bool:
        """Whether ``<layer>.<parameter>`` is one of them."""
        layer = parameter.rpartition(".")[0]
        return fnmatchcase(layer, self.match) or fnmatchcase(parameter, self.match)


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Limits on the gradient of a step, as PyTorch's ``clip_grad_value_`` and, after it, ``clip_grad_norm_``."""

    value: float | None = field(positive, default=None, doc="largest magnitude of each number; larger ones are cut")
    norm: float | None = field(positive, default=None, doc="largest Euclidean norm of all gradients; they are scaled")


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Training ends when `patience` epochs in a row bring no progress.

    Progress is a loss (or accuracy) that is better than the best before by more than `min_delta`: that of validation,
    or of training where there is no validation.
    """

    patience: int = field(at_least(1), doc="epochs without progress before the end")
    monitor: Literal["loss", "accuracy"] = field(default="loss", doc="what is watched")
    min_delta: float = field(at_least(0), default=0.0, doc="the least change that counts as progress")


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """The section ``train``."""

    epochs: int = field(at_least(0), default=10, doc="passes over the training set; 0 writes the untrained network")
    batch_size: int = field(at_least(1), default=64, doc="images per step")
    seed: int = field(at_least(0), default=0, doc="of everything random")
    save_every: Interval = field(default=Interval(1, "epoch"), doc="how often a checkpoint is written")
    accumulate: int = field(
        at_least(1), default=1, doc="batches whose gradients make one step; batch normalisation sees each by itself"
    )
    clip: Clip | None = field(default=None, doc="limits on the gradient: {norm: 1} or {value: 0.1}")
    ema: float | None = field(
        between(0, 1, "()"),
        default=None,
        doc="share that an exponential moving average of the weights keeps in a step, such as 0.999; the average is "
        "what is evaluated and used, training goes on with the weights themselves",
    )
    early_stopping: EarlyStopping | None = field(default=None, doc="when to end before all epochs are done")
    freeze: tuple[str, ...] = field(
        default=(), doc="layers that are not trained, by name or pattern: a list such as [conv2d_*]; see `frozen`"
    )
    groups: tuple[Group, ...] = field(
        default=(), doc="factors on learning rate and weight decay: a list such as [{match: conv2d_*, lr_factor: 0.1}]"
    )
