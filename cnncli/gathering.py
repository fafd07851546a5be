"""Where gradients meet: the steps of a backward pass that are no layers."""

from __future__ import annotations

from typing import Any

from cnncli.layers.base import Buffers


class Split:
    """The end of a fan-out on the way back: the gradients of all readers are added into that of the output they
    share. `positive` is an output of a ReLU, whose own backward pass this is then too."""

    def __init__(self, parts: list[Any], total: Any, positive: Any) -> None:
        self.parts, self.total, self.positive = parts, total, positive

    def backward(self, b: Buffers) -> None:
        """Add them up, in the order of the readers."""
        left = self.parts[0]
        for i, part in enumerate(self.parts[1:], start=2):
            positive = self.positive if i == len(self.parts) else None
            b.kernels.elementwise.add(left, part, self.total, positive, False, b.blocks, b.threads)
            left = self.total


class Sharing:
    """The end of sharing on the way back: the gradients of a node's tensors are added to those of their owner."""

    def __init__(self, parts: list[Any], totals: list[Any]) -> None:
        self.parts, self.totals = parts, totals

    def backward(self, b: Buffers) -> None:
        """Add them, when both are there."""
        for part, total in zip(self.parts, self.totals, strict=True):
            total += part
