"""The network of a config, for the commands that need no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnncli.graph import Graph
    from cnncli.spec import RunSpec


def graph_of(config: str, overrides: Sequence[str]) -> Graph:
    """The network of a config, checked; see `graph_of_spec`."""
    from cnncli.spec import load

    return graph_of_spec(load(config, overrides))


def graph_of_spec(spec: RunSpec) -> Graph:
    """The network of a spec; size and classes come from the headers of its data where the config does not say them."""
    from cnncli.graph import Graph
    from cnncli.parts import Parts
    from cnncli.spec import trace

    shape, classes = spec.data.in_shape, spec.data.class_count
    if shape is None or (classes is None and spec.data.train is not None):
        parts = Parts.open(spec.data)
        shape, classes = (parts.channels, *parts.size), len(parts.classes)
    trace(spec, shape, classes)
    return Graph(spec.model, shape, spec.loss)
