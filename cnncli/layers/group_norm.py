"""Group normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnncli.errors import ShapeError
from cnncli.fields import at_least, field
from cnncli.layers._group_norm import NormOfGroups
from cnncli.layers.base import Example, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class GroupNorm(NormOfGroups):
    """Groups of neighbouring maps of an image brought to mean 0 and variance 1, then each map scaled and shifted.

    y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and (biased) variance over the pixels of all maps of a
    group. As many groups as maps: instance normalisation.

    Parameters: weight (channels,), bias (channels,).

    References
    ----------
    Wu and He, "Group normalization", ECCV 2018, eq 7.
    """

    examples: ClassVar[tuple[Example, ...]] = (Example({"groups": 2}, ((4, 3, 5),)),)

    groups: int = field(at_least(1), doc="number of groups, which must divide that of the maps")

    def group_count(self) -> int:
        return self.groups

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        channels = in_shapes[0][0]
        if channels % self.groups:
            raise ShapeError(f"groups must divide the number of maps, found {self.groups} groups of {channels} maps")
        return self.plan_groups(in_shapes[0], (channels,))
