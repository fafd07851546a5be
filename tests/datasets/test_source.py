"""open_data: what it recognises, which part it gives, and what it says where there is nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from dataset_files import pixels, write_classes, write_image, write_mnist

from cnncli import registry
from cnncli.datasets._files import natural_key
from cnncli.datasets.base import Dataset, open_data
from cnncli.errors import DataError, MissingError


def test_every_format_is_registered() -> None:
    assert {"archive", "cifar", "idx", "image_folder", "image_list", "npz"} == set(registry.names("datasets"))
    for name in registry.names("datasets"):
        assert issubclass(registry.get("datasets", name), Dataset)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="none: there is no such file or folder") as caught:
        open_data(tmp_path / "none")
    assert caught.value.exit_code == 66
    with pytest.raises(MissingError, match="no file or folder can have this name"):
        open_data("a\0b")


@pytest.mark.parametrize("name", ["data.txt", "data.npz", "data.bin"])
def test_file_of_no_known_format(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"1,2,3\n")
    with pytest.raises(DataError, match="no data set is recognised here") as caught:
        open_data(tmp_path / name)
    assert caught.value.exit_code == 65


def test_an_image_or_a_pipe_is_no_data_set(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (write_image(tmp_path / "a.png", pixels(3, 3)), tmp_path / "pipe"):
        with pytest.raises(DataError, match="no data set is recognised here"):
            open_data(path)


def test_files_of_a_format_come_before_folders(tmp_path: Path) -> None:
    write_mnist(tmp_path, pixels(4, 3, 3), np.array([0, 1, 0, 1]))
    write_classes(tmp_path, {"a": 1, "b": 1})
    assert open_data(tmp_path).format == "idx"


def test_a_test_part_is_not_trained_on(tmp_path: Path) -> None:
    write_mnist(tmp_path, pixels(4, 3, 3), np.array([0, 1, 0, 1]), part="t10k")
    source = open_data(tmp_path)
    assert source.train is None
    assert source.part("validation") is source.part("test") is source.parts["test"]
    with pytest.raises(DataError, match="no train part, only test"):
        source.part("train")


def test_a_part_that_is_not_there(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 1, "b": 1})
    write_classes(tmp_path / "val", {"a": 1, "b": 1})
    with pytest.raises(DataError, match="no test part, only train and validation"):
        open_data(tmp_path).part("test")


def test_paths_are_absolute_and_relative_ones_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path / "train", {"a": 1, "b": 1})
    write_classes(tmp_path / "test", {"a": 1, "b": 1})
    monkeypatch.chdir(tmp_path / "train")
    source = open_data(".")
    assert source.path == tmp_path / "train"
    assert source.beside("test") is not None


def test_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_data(write_classes(tmp_path / "train", {"a": 1, "b": 1}))

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    for use in (lambda: open_data(tmp_path), lambda: source.beside("test")):
        with pytest.raises(DataError, match="cannot be read: Permission denied"):
            use()


def test_natural_order() -> None:
    names = ["x10", "x9", "10", "9", "009", "a", "", "x", "x9b", "x9a10", "x9a2"]
    expected = ["", "009", "9", "10", "a", "x", "x9", "x9a2", "x9a10", "x9b", "x10"]
    assert sorted(names, key=natural_key) == expected
