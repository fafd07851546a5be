"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnncli.layers._group_norm import NormOfGroups
from cnncli.layers.base import Example, LayerPlan, Shape


@dataclass(frozen=True, kw_only=True)
class LayerNorm(NormOfGroups):
    """All of an image brought to mean 0 and variance 1, then every sample scaled and shifted by numbers of its own.

    y = (x - mean) / sqrt(variance + eps) * weight + bias, as PyTorch's LayerNorm over (channels, height, width).
    With one weight and bias for each map: ``group_norm`` of one group.

    Parameters: weight, bias (channels, height, width), or (features,) for a vector.

    References
    ----------
    Ba, Kiros and Hinton, "Layer normalization", 2016, eq 4.
    """

    examples: ClassVar[tuple[Example, ...]] = (Example({}, ((3, 2, 3),)), Example({}, ((7, 1, 1),)))

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        shape = in_shapes[0]
        return self.plan_groups(shape, shape[:1] if shape[1:] == (1, 1) else shape)
