"""The configs that come with the program: they build, and have the size that their first lines say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from cnncli.graph import Graph
from cnncli.spec import from_resolved, load, resolved, trace

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def _header(path: Path) -> dict[str, str]:
    """The comment at the top: its text under "", and the lines of the form ``# Key: value`` by key."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    keyed = [re.fullmatch(r"(Parameters|Connections|Expected): (.+)", line) for line in lines]
    return {match[1]: match[2] for match in keyed if match} | {"": " ".join(lines)}


def _number(text: str) -> int:
    """The number that a text starts with."""
    match = re.match(r"\d+\b", text.replace(",", ""))
    assert match, text
    return int(match[0])


def _graph(path: Path) -> Graph:
    spec = load(str(path))
    assert spec.data.in_shape is not None, "say the size of the images, so that the config builds without data"
    trace(spec, spec.data.in_shape, spec.data.class_count)
    return Graph(spec.model, spec.data.in_shape, spec.loss)


def test_there_are_some() -> None:
    assert {"lenet5", "resnet20", "mlp"} <= {path.stem for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_builds_with_the_size_it_says(path: Path) -> None:
    header, graph = _header(path), _graph(path)
    parameters = sum(int(np.prod(param.shape)) for param in graph.params.values())
    assert _number(header["Parameters"]) == parameters
    assert parameters == sum(line.parameters for line in graph.summary())
    if "Connections" in header:
        assert _number(header["Connections"]) == sum(line.connections for line in graph.summary())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet20", 272_474),  # He et al.: 0.27 M; option B adds 2,752 in two shortcuts to option A's 269,722
        ("resnet18", 11_689_512),
        ("mobilenet", 4_231_976),
        ("densenet", 1_019_722),
    ],
)
def test_published_numbers_of_parameters(name: str, parameters: int) -> None:
    text = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
    assert f"\n# Parameters: {parameters}\n" in text
    assert len([line for line in text.splitlines() if not line.startswith("#")]) < 40, "blocks keep it short"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_says_where_it_comes_from_and_what_to_expect(path: Path) -> None:
    header = _header(path)
    assert header["Expected"]
    assert re.search(r"\b(19|20)\d\d\b", header[""]), "name the paper, with its year"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_data_it_names_are_there(path: Path) -> None:
    data = load(str(path)).data
    for name in (data.train, data.test, data.validation):
        if isinstance(name, str):
            assert Path(name).exists()
            assert Path(name).is_relative_to(ROOT)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_resolved_it_is_the_same(path: Path) -> None:
    spec = load(str(path))
    again = from_resolved(resolved(spec))
    assert again == spec
    assert resolved(again) == resolved(spec)
