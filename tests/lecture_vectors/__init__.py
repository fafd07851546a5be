"""Exact vectors of the convolutional-network lecture as data: networks, their inputs, and the values printed for them.

A vector suits anything that can run a chain of layers forward and backward and hand back tensors by name: ``y`` (last
output), ``loss``, ``dx`` (gradient of the input), and ``<layer>_<number>.y`` or ``.d<parameter>`` of the layers,
numbered by type from 1. The backward pass starts from half the squared error where there is a target, else from ones.
"""

from .activations import ACTIVATION_VECTORS, points, sigmoids
from .example import EXAMPLE_VECTORS
from .images import BLOCK, IMAGE_VECTORS, PYRAMID_VECTORS
from .normalization import NORM_VECTORS, SECOND_MAP, contrast
from .vector import Array, Printed, Step, Vector, maps, one

VECTORS = [*IMAGE_VECTORS, *PYRAMID_VECTORS, *ACTIVATION_VECTORS, *NORM_VECTORS, *EXAMPLE_VECTORS]

__all__ = [
    "BLOCK",
    "EXAMPLE_VECTORS",
    "SECOND_MAP",
    "VECTORS",
    "Array",
    "Printed",
    "Step",
    "Vector",
    "contrast",
    "maps",
    "one",
    "points",
    "sigmoids",
]
