"""IDX files: MNIST's names, plain and gzipped, and each way in which they can be wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from dataset_files import idx_bytes, pixels, write_mnist

from cnncli.datasets.base import Source, open_data
from cnncli.datasets.idx import Idx
from cnncli.errors import CnnError, DataError, MissingError

IMAGES = pixels(12, 5, 4)
LABELS = np.arange(12) % 3
IMAGE_FILE, LABEL_FILE = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def opened(path: Path) -> Source:
    source = open_data(path)
    assert source.format == "idx"
    return source


@pytest.mark.parametrize("packed", [False, True])
def test_reads_what_was_written(packed: bool, tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS, packed=packed)
    write_mnist(tmp_path, IMAGES[:6], LABELS[:6], part="t10k", packed=packed)
    source = opened(tmp_path)
    assert list(source.parts) == ["train", "test"]
    assert source.train is not None
    assert (len(source.train), source.train.shape, source.train.classes) == (12, (1, 5, 4), ("0", "1", "2"))
    loaded = source.train.load()
    np.testing.assert_array_equal(loaded.images, IMAGES[:, :, :, None])
    np.testing.assert_array_equal(loaded.labels, LABELS)
    assert loaded.images.dtype == np.uint8
    assert loaded.images.flags.c_contiguous
    assert loaded.labels.dtype == np.int32
    assert loaded.names[3] == f"{source.train.path}[3]"
    assert len(loaded) == 12


def test_indices_size_and_channels(tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS)
    loaded = opened(tmp_path).part("train").load(size=(8, 8), channels=3, indices=np.array([7, 2]))
    assert loaded.images.shape == (2, 8, 8, 3)
    np.testing.assert_array_equal(loaded.labels, LABELS[[7, 2]])
    assert [name[-3:] for name in loaded.names] == ["[7]", "[2]"]


def test_content_decides_on_gzip_and_plain_files_win(tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS, packed=True)
    (tmp_path / f"{IMAGE_FILE}.gz").rename(tmp_path / IMAGE_FILE)
    np.testing.assert_array_equal(opened(tmp_path).part("train").load().images[:, :, :, 0], IMAGES)
    write_mnist(tmp_path, IMAGES[::-1], LABELS)
    np.testing.assert_array_equal(opened(tmp_path).part("train").load().images[:, :, :, 0], IMAGES[::-1])


def test_a_file_of_images_stands_for_its_pair(tmp_path: Path) -> None:
    path = write_mnist(tmp_path, IMAGES, LABELS, packed=True)
    write_mnist(tmp_path, IMAGES[:6], LABELS[:6], part="t10k")
    source = opened(path)
    assert list(source.parts) == ["train"]
    beside = source.beside("test")
    assert beside is not None
    assert len(beside) == 6
    with pytest.raises(DataError, match="a file of labels"):
        open_data(tmp_path / f"{LABEL_FILE}.gz")


def test_prefixes_and_dots_of_related_sets(tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS, part="emnist-letters-train")
    (tmp_path / "emnist-letters-train-images-idx3-ubyte").rename(tmp_path / "emnist-letters-train-images.idx3-ubyte")
    assert list(opened(tmp_path).parts) == ["train"]
    path = write_mnist(tmp_path, IMAGES[:6], LABELS[:6], part="emnist-digits-train")
    with pytest.raises(DataError, match="several IDX sets"):
        open_data(tmp_path)
    assert len(opened(path).part("train")) == 6


def test_colour_and_wide_labels(tmp_path: Path) -> None:
    write_mnist(tmp_path, pixels(12, 5, 4, 3), LABELS)
    wide = (LABELS + 300).astype(">i4")
    (tmp_path / LABEL_FILE).write_bytes(idx_bytes(wide, 0x0C))
    part = opened(tmp_path).part("train")
    assert part.shape == (3, 5, 4)
    assert len(part.classes) == 303
    np.testing.assert_array_equal(part.labels, wide)


def header(*dimensions: int, code: int = 8) -> bytes:
    return bytes([0, 0, code, len(dimensions)]) + np.array(dimensions, ">u4").tobytes()


GOOD = idx_bytes(IMAGES)
BAD_IMAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no IDX file: it begins with nothing"),
    "text": (b"hello world", "no IDX file: it begins with 68 65 6c 6c"),
    "magic": (b"\1" + GOOD[1:], "no IDX file: it begins with 01 00 08 03"),
    "floats": (header(1, 1, 1, code=0x0D) + bytes(4), "no IDX file: it begins with 00 00 0d 03"),
    "integers": (header(1, 1, 1, code=0x0C) + bytes(4), "IDX type 0x0c; images must be unsigned bytes"),
    "rank 5": (header(1, 1, 1, 1, 1) + b"a", "no IDX file: it begins with 00 00 08 05"),
    "rank 1": (header(12) + bytes(12), r"images of shape \(12,\); expected \(images, height, width\)"),
    "header cut": (GOOD[:9], "a header of 16 bytes expected, found 9"),
    "cut": (GOOD[:-7], r"truncated or damaged: expected 240 bytes \(12 x 5 x 4 elements\), found 233"),
    "too long": (GOOD + b"abc", "expected 240 bytes .*, found 243"),
    "bomb": (header(2**32 - 1, 2**32 - 1, 2**32 - 1), "expected 79228162458924105385300197375 bytes .*, found 0"),
    "none": (header(0, 5, 4), r"no images \(shape \(0, 5, 4\)\)"),
    "channels in front": (header(2, 3, 8, 8) + bytes(384), r"channels in front; .* as in \(2, 8, 8, 3\)"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.parametrize("packed", [False, True])
def test_bad_images(name: str, packed: bool, tmp_path: Path) -> None:
    content, message = BAD_IMAGES[name]
    path = write_mnist(tmp_path, IMAGES, LABELS)
    path.write_bytes(gzip.compress(content) if packed else content)
    message = {"too long": "found more than 240", "bomb": "found at most"}.get(name, message) if packed else message
    with pytest.raises(DataError, match=message) as caught:
        open_data(path).part("train").load()
    assert IMAGE_FILE in str(caught.value)
    assert "\n" not in str(caught.value)


BAD_LABELS: dict[str, tuple[bytes, str]] = {
    "cut": (idx_bytes(LABELS.astype(np.uint8))[:-1], r"expected 12 bytes \(12 elements\), found 11"),
    "count": (idx_bytes(LABELS[:-1].astype(np.uint8)), "11 labels for 12 images"),
    "rank": (idx_bytes(LABELS.astype(np.uint8)[:, None]), r"labels of shape \(12, 1\); expected one dimension"),
    "negative": (idx_bytes(np.where(LABELS == 2, -3, 0).astype(">i4"), 0x0C), r"\[2\]: label -3 is negative"),
    "large": (idx_bytes(np.where(LABELS == 1, 70_000, 0).astype(">i4"), 0x0C), r"\[1\]: label 70000 is too large"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels(name: str, tmp_path: Path) -> None:
    content, message = BAD_LABELS[name]
    write_mnist(tmp_path, IMAGES, LABELS)
    (tmp_path / LABEL_FILE).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_data(tmp_path)
    assert LABEL_FILE in str(caught.value)


@pytest.mark.parametrize("missing", [IMAGE_FILE, LABEL_FILE])
def test_missing_half(missing: str, tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS)
    (tmp_path / missing).unlink()
    kind = missing.split("-")[1]
    with pytest.raises(MissingError, match=f"has no file of {kind} beside it"):
        open_data(tmp_path)


def test_damaged_gzip(tmp_path: Path) -> None:
    path = write_mnist(tmp_path, pixels(50, 9, 9), np.arange(50) % 3, packed=True)
    content = path.read_bytes()
    for damaged, message in (
        (content[:2000], r"expected 4050 bytes \(50 x 9 x 9 elements\), found 1\d\d\d \(.*end"),
        (content[:-8], "damaged gzip file"),
        (content[:-6] + b"abcdef", "damaged gzip file: CRC check failed"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=message):
            open_data(path).part("train").load()


def test_header_that_promises_too_much_allocates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_mnist(tmp_path, IMAGES, LABELS)
    (tmp_path / LABEL_FILE).write_bytes(header(2**31))
    monkeypatch.setattr(np, "empty", lambda *_: pytest.fail("allocated"))
    with pytest.raises(DataError, match="expected 2147483648 bytes"):
        open_data(path)
    (tmp_path / LABEL_FILE).write_bytes(gzip.compress(header(2**31)))
    with pytest.raises(DataError, match="expected 2147483648 bytes"):
        open_data(path)


def test_more_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, IMAGES, LABELS)
    part = open_data(tmp_path).part("train")
    monkeypatch.setattr("os.sysconf", lambda name: 10)
    with pytest.raises(DataError, match=r"needs .* GB, and [\d.]+ GB may be used"):
        part.load()


def test_labels_beyond_the_classes(tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS)
    part = open_data(tmp_path).part("train")
    assert part.class_names(None) == ("0", "1", "2")
    assert part.class_names(5) == ("0", "1", "2", "3", "4")
    assert part.class_names(["zero", "one", "two"]) == ("zero", "one", "two")
    with pytest.raises(DataError, match=r"\[2\]: label 2 is not among the 2 classes 0, 1$"):
        part.class_names(2)
    with pytest.raises(DataError, match=r"\[2\]: label 2 is not among the 2 classes zero, one$"):
        part.load(classes=["zero", "one"])


def test_numbers_are_matched_as_names_where_classes_are_numbers(tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS)
    part = open_data(tmp_path).part("train")
    np.testing.assert_array_equal(part.labels_in(["2", "1", "0"]), 2 - LABELS)
    np.testing.assert_array_equal(part.labels_in(["b", "a", "c"]), LABELS)
    with pytest.raises(DataError, match="label 1 is not among"):
        part.labels_in(["0", "2", "8"])


def test_one_class_is_refused_for_training(tmp_path: Path) -> None:
    write_mnist(tmp_path, IMAGES, LABELS * 0)
    with pytest.raises(DataError, match="only one class"):
        open_data(tmp_path).part("train").class_names(None)


@pytest.mark.parametrize("packed", [False, True])
def test_mutants_raise_nothing_but_our_errors(packed: bool, tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    path = write_mnist(tmp_path, IMAGES, LABELS, packed=packed)
    labels = tmp_path / (LABEL_FILE + ".gz" * packed)
    survivors = 0
    for _ in range(300):
        target = path if generator.integers(2) else labels
        content = target.read_bytes()
        mutant = bytearray(content)
        for at in generator.integers(0, min(len(mutant), 40), generator.integers(1, 3)):
            mutant[at] = generator.integers(256)
        target.write_bytes(bytes(mutant[: generator.integers(1, 2 * len(mutant))]))
        try:
            part = Idx.find(path)
            assert part is not None
            part["train"].load()
            survivors += 1
        except CnnError:
            pass
        target.write_bytes(content)
    assert 0 < survivors < 300
