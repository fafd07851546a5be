"""What a loss is: like a layer, but it ends the network and knows the targets."""

from __future__ import annotations

from typing import Any

from cnncli.errors import ShapeError
from cnncli.layers.base import Shape


class LossBuffers:
    """The arrays of a loss. Activations are [block, class, 1, 1, lane], the others have one element per lane of all
    blocks.

    Attributes
    ----------
    x, y, dx : ndarray
        The network's output, the scores made from it, and the gradient of the losses' weighted sum (see `weight`).
    target : ndarray of int32
    shares : ndarray, shaped like x, or None
        Where set, each image belongs to all classes by its shares: its loss is the sum over classes of the share times
        the loss of that class. They need not add up to 1: a class that weighs more has larger ones.
    losses : ndarray of float64
        One per image.
    kernels, n, blocks, shard
        As in `cnncli.layers.base.Buffers`.
    """

    __slots__ = ("blocks", "dx", "kernels", "losses", "n", "shard", "shares", "target", "x", "y")

    x: Any
    y: Any
    dx: Any
    target: Any
    shares: Any
    losses: Any
    kernels: Any
    n: int
    blocks: int
    shard: Any


class Loss:
    """Base of all losses: one frozen keyword-only dataclass per file, found by its file's name."""

    probabilities = False  # whether the scores are probabilities
    of_probabilities = False  # whether the network's outputs have to be probabilities already

    def plan(self, out_shape: Shape, classes: int | None) -> None:
        """Check that the network ends in one unit per class.

        Raises
        ------
        ShapeError
            If it does not.
        """
        features, height, width = out_shape
        if (height, width) != (1, 1):
            raise ShapeError(f"the network ends in maps of {height}x{width}; end it with linear or global_avg_pool2d")
        if classes is not None and features != classes:
            raise ShapeError(f"the network has {features} outputs, the data has {classes} classes")

    def weight(self, n: int) -> float:
        """What the loss of one image counts for in what training minimises, in a batch of n images."""
        return 1.0 / n

    def remark(self, b: LossBuffers) -> str | None:
        """What the user should be told about the outputs of the last batch, if anything."""
        return None

    def forward(self, b: LossBuffers) -> None:
        """Write the scores ``b.y`` and, where there are targets, ``b.losses``."""
        raise AssertionError(f"{type(self).__name__} has no forward pass")

    def backward(self, b: LossBuffers) -> None:
        """Write ``b.dx``."""
        raise AssertionError(f"{type(self).__name__} has no backward pass")
