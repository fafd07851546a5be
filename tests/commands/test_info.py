"""``cnn info``."""

import json

import pytest
from conftest import Cnn

from cnncli import __version__, _fast
from cnncli.commands import info


def test_json_and_text(cnn: Cnn) -> None:
    values = json.loads(cnn("info", "--json").out)
    assert values["version"] == __version__
    assert values["kernels"] == _fast.variant()
    assert values["kernels"] in values["kernels_available"]
    assert values["threads"] >= 1
    text = cnn("info").out
    assert [line.split("  ")[0] for line in text.splitlines()] == [name.replace("_", " ") for name in values]


def test_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=1.26", "pytest>=8; extra == 'test'", 'nonesuch; extra == "draw"', "numpy; extra == 'draw'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: wanted)
    assert info._extras() == {"test": True, "draw": False}
