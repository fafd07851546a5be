"""The entries of a config that name one of several things, and what they name by default."""

from __future__ import annotations

from typing import NamedTuple


class Choice(NamedTuple):
    """An entry that names one of the things in a package of ours, with its options, and what it names by default."""

    package: str
    default: str


CHOICES = {
    "loss": Choice("losses", "softmax_cross_entropy"),
    "optimizer": Choice("optimizers", "sgd"),
    "schedule": Choice("schedules", "constant"),
}
