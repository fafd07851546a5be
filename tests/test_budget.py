"""Networks that would need more memory than there may be are refused before they take it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from specs import load

from cnncli.errors import SpecError
from cnncli.graph import Graph
from cnncli.network import Network
from cnncli.spec import RunSpec

CONFIG = """
model:
  - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
  - batch_norm2d
  - relu
  - linear: {out_features: 3}
"""


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return load(tmp_path, CONFIG)


def test_what_is_too_much_is_not_taken(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph(spec.model, (3, 64, 64), spec.loss)
    monkeypatch.setenv("CNN_MAX_MEMORY", "40MB")
    Network(graph, 32, training=True)
    tracemalloc.start()
    with pytest.raises(SpecError, match=r"maps of 256 images at once .* more than the 0\.04 GB .*a smaller batch"):
        Network(graph, 256, training=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
    monkeypatch.setenv("CNN_MAX_MEMORY", "1GB")
    Network(graph, 256, training=True)


def test_one_image(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNN_MAX_MEMORY", "1MB")
    with pytest.raises(SpecError, match="with its maps of an image at once"):
        Network(Graph(spec.model, (3, 64, 64), spec.loss), 1, training=False)


def test_parameters(spec: RunSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNN_MAX_MEMORY", "100kB")
    with pytest.raises(SpecError, match="with its parameters the network needs more"):
        Network(Graph(spec.model, (3, 64, 64), spec.loss), 1, training=True)
