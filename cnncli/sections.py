"""The sections ``data`` and ``train`` of a config, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from cnncli.augmentations.base import Augmentation
from cnncli.fields import Constraint, Pair, at_least, between, field, fits, not_empty, one_of, positive, show, unique
from cnncli.layers.base import Shape


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


_two_or_more = Constraint("at least two names", lambda names: len(names) >= 2, ["a"], (list,), {"minItems": 2})
_whole_or_share = Constraint(
    "a whole number or a share below 1",
    lambda value: isinstance(value, int) or value < 1,
    1.5,
    schema={"anyOf": [{"type": "integer"}, {"exclusiveMaximum": 1}]},
)
_pattern = Constraint("a regular expression", _compiles, "(", (str,), {"format": "regex"})
_no_percentage = Constraint(
    "a share such as 0.1, or a path",
    lambda text: not text.endswith("%"),
    "10%",
    (str,),
    {"not": {"pattern": "%$"}},
)
_INTERVAL = "([1-9][0-9]{0,8}) (epoch|step|minute)s?"


@dataclass(frozen=True, kw_only=True)
class Image:
    """What every image is brought to."""

    size: Pair = field(at_least(1), doc="height and width in pixels")
    channels: int = field(one_of(1, 3), doc="1 is grey, 3 is colour")
    fit: Literal["resize", "crop", "pad", "letterbox"] = field(
        default="resize",
        doc="how images of another size are brought to it: stretched; scaled and cut to its proportions; set on black "
        "without being scaled; scaled as a whole, with black bars",
    )


@dataclass(frozen=True, kw_only=True)
class Normalize:
    """What is taken off pixels in 0..1, and what they are then divided by."""

    mean: float | tuple[float, ...] = field(doc="one number, or one per channel")
    std: float | tuple[float, ...] = field(positive, doc="one number, or one per channel")


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One of k parts of the training set, which is set aside for validation: k-fold cross-validation in k runs."""

    k: int = field(at_least(2), doc="number of parts")
    index: int = field(at_least(0), doc="which one, from 0 to k - 1")

    def __post_init__(self) -> None:
        if self.index >= self.k:
            raise ValueError(f"index must be at most {self.k - 1} for k: {self.k}, found {self.index}")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a list of images, in CSV or TSV."""

    column: str = field(not_empty, doc="its name, as the first row says it")


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """The section ``data``. Paths are absolute."""

    train: str | None = field(not_empty, default=None, doc="path of the training set")
    validation: float | str | None = field(
        between(0, 1, "()"), not_empty, _no_percentage, default=None, doc="share of the training set, or a path"
    )
    fold: Fold | None = field(default=None, doc="instead of a share: one of k parts, such as {k: 5, index: 0}")
    group: str | Column | None = field(
        not_empty,
        _pattern,
        default=None,
        doc="what must not be divided between training and validation: images in one folder (`folder`), or whose paths "
        "agree in what the brackets of a regular expression match, such as 'patient(\\d+)'; or in a column of a list: "
        "{column: patient}",
    )
    sample: Literal["all", "balanced"] = field(
        default="all", doc="an epoch shows each image once, or each class equally often, in as many images"
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
    on_error: Literal["stop", "skip"] = field(
        default="stop", doc="what becomes of image files that cannot be read: an error, or left out and listed"
    )
    max_bad: int | float = field(
        at_least(0),
        _whole_or_share,
        default=0.01,
        doc="how many images of a part may be left out: a whole number, or a share such as 0.01",
    )
    fill: Literal["auto", "edge"] | float = field(
        between(0, 1),
        default="auto",
        doc="what augmentation puts where an image does not reach: 0 (black) to 1 (white), the nearest pixel, "
        "or the median of the training images' outermost rows and columns",
    )

    def __post_init__(self) -> None:
        if self.fold and self.validation is not None:
            raise ValueError("give one of validation and fold, not both")
        if self.group and not (self.fold or isinstance(self.validation, float)):
            raise ValueError("group divides the training set: it needs a share as validation, or fold")

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


@dataclass(frozen=True)
class ClassWeights:
    """What the images of a class count for in the loss: ``balanced`` (None here), or numbers by the classes' names."""

    accepts: ClassVar[str] = "balanced, or numbers greater than 0 by class, such as {cat: 2, dog: 1}"

    given: Mapping[str, float] | None

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What `parse` reads, as JSON Schema."""
        weight = {"type": "number", "exclusiveMinimum": 0}
        return {
            "anyOf": [{"enum": ["balanced"]}, {"type": "object", "minProperties": 1, "additionalProperties": weight}]
        }

    @classmethod
    def parse(cls, value: Any) -> ClassWeights:
        """Read one of the forms that `accepts` names.

        Raises
        ------
        ValueError
            If it is something else.
        """
        if value == "balanced":
            return cls(None)
        if isinstance(value, dict) and value and all(fits(float, v) and v > 0 for v in value.values()):
            return cls({key if isinstance(key, str) else show(key): float(v) for key, v in value.items()})
        raise ValueError(f"must be {cls.accepts}; found {show(value)}")

    def plain(self) -> str | dict[str, float]:
        """What `parse` makes it of again."""
        return "balanced" if self.given is None else dict(self.given)


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """The section ``train``."""

    epochs: int = field(at_least(0), default=10, doc="passes over the training set; 0 writes the untrained network")
    batch_size: int = field(at_least(1), default=64, doc="images per step")
    seed: int = field(at_least(0), default=0, doc="of everything random")
    save_every: Interval = field(default=Interval(1, "epoch"), doc="how often a checkpoint is written")
    workers: int | None = field(
        at_least(0),
        default=None,
        doc="threads that decode image files; by default as many as compute. Changes no result",
    )
    reduce: Literal["exact", "fast"] = field(
        default="exact",
        doc="how several processes add their gradients: with the same bits for any number of them, or in whatever "
        "order is fastest, while the backward pass goes on",
    )
    report: bool = field(default=True, doc="write report.html at the end, where the extra `report` is installed")
    tensorboard: bool = field(default=False, doc="write the numbers of each epoch for TensorBoard too (an extra)")
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
    class_weights: ClassWeights | None = field(
        default=None,
        doc="factors on the losses of the training images: {cat: 2} (1 for the others), or `balanced`: the rarer a "
        "class, the larger, so that all classes count alike",
    )
    early_stopping: EarlyStopping | None = field(default=None, doc="when to end before all epochs are done")
    freeze: tuple[str, ...] = field(
        default=(), doc="layers that are not trained, by name or pattern: a list such as [conv2d_*]; see `frozen`"
    )
    groups: tuple[Group, ...] = field(
        default=(), doc="factors on learning rate and weight decay: a list such as [{match: conv2d_*, lr_factor: 0.1}]"
    )
