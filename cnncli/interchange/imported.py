"""A network of a config that gets its weights from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cnncli import __version__, checkpoint
from cnncli.errors import SpecError
from cnncli.graph import Graph
from cnncli.model import FORMAT
from cnncli.network import Network
from cnncli.parts import Parts
from cnncli.preprocessing import Preprocessing, configured
from cnncli.progress import Progress
from cnncli.spec import RunSpec, resolved, trace


class Untrained:
    """Everything of a checkpoint but the weights.

    Parameters
    ----------
    spec : RunSpec
        It names its data, or says itself what images and classes there are.

    Raises
    ------
    SpecError
        It does neither.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        if spec.data.train:
            parts = Parts.open(spec.data)
            self._classes, shape = parts.classes, (parts.channels, *parts.size)
            train, _ = parts.load(spec.train.seed)
            self._preprocessing = configured(spec.data, parts.size, parts.channels, parts.fit, train.images)
        else:
            self._classes, self._preprocessing = _declared(spec)
            shape = self._preprocessing.shape
        trace(spec, shape, len(self._classes))
        self.graph = Graph(spec.model, shape, spec.loss)

    def save(self, path: Path, arrays: Mapping[str, np.ndarray], source: Path) -> None:
        """Write the checkpoint with these tensors, the others being drawn anew."""
        network = Network(self.graph, 1, training=False)
        network.initialize(self._spec.train.seed)
        network.load(network.arrays() | dict(arrays))
        meta = {
            "format": FORMAT,
            "cnncli": __version__,
            "config": resolved(self._spec),
            "classes": list(self._classes),
            "preprocessing": self._preprocessing.to_dict(),
            "progress": Progress().to_dict(),
            "train_images": 0,
            "kernels": network.kernels.variant,
            "from": {"weights": str(source.absolute())},
        }
        checkpoint.save(path, network.arrays(), meta)


def _declared(spec: RunSpec) -> tuple[tuple[str, ...], Preprocessing]:
    data = spec.data
    if data.image is None or data.classes is None:
        raise SpecError(
            f"{spec.source}: names no data, so it must say what images and classes there are: "
            "data: {image: {size: [height, width], channels: 1 or 3}, classes: NUMBER or [names]}"
        )
    if data.normalize == "auto":
        raise SpecError(
            f"{spec.source}: without data nothing is known of the pixels: say data.normalize={{mean: ..., std: ...}}, "
            "as the weights were trained with, or none"
        )
    classes = tuple(map(str, range(data.classes))) if isinstance(data.classes, int) else data.classes
    return classes, configured(data, data.image.size, data.image.channels, data.image.fit, None)
