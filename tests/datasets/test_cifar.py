"""CIFAR's binary files: pixels, names, parts, and files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import pixels

from cnncli.datasets.base import open_data
from cnncli.errors import DataError


def write(path: Path, images: np.ndarray, *labels: list[int]) -> Path:
    """A file of records: labels, then the red, green and blue planes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        bytes(numbers) + image.transpose(2, 0, 1).tobytes() for image, *numbers in zip(images, *labels, strict=True)
    ]
    path.write_bytes(b"".join(rows))
    return path


def test_cifar10(tmp_path: Path) -> None:
    images = pixels(5, 32, 32, 3)
    write(tmp_path / "data_batch_1.bin", images[:2], [3, 9])
    write(tmp_path / "data_batch_2.bin", images[2:4], [0, 3])
    write(tmp_path / "test_batch.bin", images[4:], [1])
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (tmp_path / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    source = open_data(tmp_path)
    train, test = source.part("train"), source.part("test")
    assert (source.format, train.shape, train.classes) == ("cifar", (3, 32, 32), tuple(names))
    np.testing.assert_array_equal(train.labels, [3, 9, 0, 3])
    np.testing.assert_array_equal(test.load().images, images[4:])
    order = np.array([3, 0, 2])
    loaded = train.load(indices=order)
    np.testing.assert_array_equal(loaded.images, images[order])
    np.testing.assert_array_equal(loaded.labels, [3, 3, 0])
    assert [Path(name).name for name in loaded.names] == [
        "data_batch_2.bin[1]",
        "data_batch_1.bin[0]",
        "data_batch_2.bin[0]",
    ]
    assert train.load((16, 16), 1).images.shape == (4, 16, 16, 1)


def test_cifar100_takes_the_fine_class(tmp_path: Path) -> None:
    images = pixels(3, 32, 32, 3)
    write(tmp_path / "train.bin", images, [4, 19, 0], [99, 50, 7])
    part = open_data(tmp_path).part("train")
    assert (len(part.classes), part.numbered) == (100, True)
    np.testing.assert_array_equal(part.labels, [99, 50, 7])
    np.testing.assert_array_equal(part.load().images, images)
    assert open_data(tmp_path / "train.bin").part("train").load().labels.tolist() == [99, 50, 7]


def test_numbers_get_the_names_of_a_config(tmp_path: Path) -> None:
    part = open_data(write(tmp_path / "data_batch_1.bin", pixels(2, 32, 32, 3), [0, 1])).part("train")
    names = [f"class {i}" for i in range(10)]
    assert part.class_names(names) == tuple(names)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data_batch_1.bin": b"\0" * 3072}, r"3072 bytes are no whole number of records of 3073 \(CIFAR-10\)"),
        ({"data_batch_1.bin": b""}, "0 bytes are no whole number"),
        ({"data_batch_1.bin": b"\x0a" + b"\0" * 3072}, r"labels beyond CIFAR-10's 0\.\.9"),
        ({"train.bin": b"\x14\0" + b"\0" * 3072}, r"labels beyond CIFAR-10's 0\.\.9"),
        ({"data_batch_1.bin": b"\0" * 3073, "test.bin": b"\0" * 3074}, "CIFAR-10 and of CIFAR-100 in one folder"),
        (
            {"data_batch_1.bin": b"\0" * 3073, "batches.meta.txt": b"a\nb\n"},
            "2 different names of classes; 10 expected",
        ),
    ],
)
def test_faulty_files(files: dict[str, bytes], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_data(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))
