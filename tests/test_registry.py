"""Names to classes, by file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cnncli.layers
from cnncli import registry
from cnncli.layers.base import Layer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules count as layers."""
    monkeypatch.setattr(cnncli.layers, "__path__", [*cnncli.layers.__path__, str(tmp_path)])
    _forget(tmp_path)
    yield tmp_path
    monkeypatch.undo()
    _forget(tmp_path)


def _forget(folder: Path) -> None:
    registry.names.cache_clear()
    registry.get.cache_clear()
    for file in folder.glob("*.py"):
        sys.modules.pop(f"cnncli.layers.{file.stem}", None)
        vars(cnncli.layers).pop(file.stem, None)


@pytest.mark.parametrize("package", ["layers", "losses", "optimizers", "datasets", "augmentations"])
def test_every_file_is_an_entry_and_its_class_knows_its_name(package: str) -> None:
    names = registry.names(package)
    files = sorted(file.stem for file in (Path(registry.__file__).parent / package).glob("[a-z]*.py"))
    assert list(names) == [name for name in files if name != "base"]
    for name in names:
        cls = registry.get(package, name)
        assert registry.name_of(object.__new__(cls)) == name
        assert cls.__doc__


@pytest.mark.parametrize("name", ["conv3d", "base", "_window", "", "..errors", "relu.Relu"])
def test_an_unknown_name_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        registry.get("layers", name)


def test_a_new_file_is_a_new_entry(folder: Path) -> None:
    (folder / "twice.py").write_text(
        "from cnncli.layers.base import Layer\nfrom cnncli.layers.relu import Relu\n"
        "class _Base(Layer): pass\nclass Twice(_Base): pass\n"
    )
    (folder / "_helper.py").write_text("raise RuntimeError('must not be imported')")
    assert "twice" in registry.names("layers")
    assert "_helper" not in registry.names("layers")
    cls = registry.get("layers", "twice")
    assert cls.__name__ == "Twice"
    assert issubclass(cls, Layer)


@pytest.mark.parametrize(("classes", "count"), [("", 0), ("class A(Layer): pass\nclass B(Layer): pass\n", 2)])
def test_a_file_must_define_one_class(folder: Path, classes: str, count: int) -> None:
    (folder / "odd.py").write_text("from cnncli.layers.base import Layer\n" + classes)
    with pytest.raises(TypeError, match=f"cnncli.layers.odd must define exactly one public Layer, it has {count}"):
        registry.get("layers", "odd")


def test_an_error_inside_a_file_stays_visible(folder: Path) -> None:
    (folder / "broken.py").write_text("import no_such_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        registry.get("layers", "broken")


@pytest.mark.parametrize(
    ("name", "allowed", "text"),
    [
        ("filers", ["filters", "bias"], "did you mean 'filters'?"),
        ("ReLU", ["relu", "linear"], "did you mean 'relu'?"),
        ("softmax", ["softmax_cross_entropy"], "did you mean 'softmax_cross_entropy'?"),
        ("x", ["a", "b"], "allowed: a, b"),
        ("", ["a"], "allowed: a"),
        ("x", [], "allowed: none"),
        ("x", [str(number) for number in range(99)], f"allowed: {', '.join(map(str, range(30)))}, ..."),
    ],
)
def test_suggestions(name: str, allowed: list[str], text: str) -> None:
    assert registry.suggest(name, allowed) == text
