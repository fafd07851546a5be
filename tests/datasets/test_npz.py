"""Arrays in .npz files: types, names and shapes that are read, and each way in which they can be wrong."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import pixels

from cnncli.datasets.base import open_data
from cnncli.errors import CnnError, DataError

IMAGES = pixels(6, 5, 4)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def save(folder: Path, compressed: bool = False, **arrays: Any) -> Path:
    path = folder / "data.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("images", "dtype"),
    [
        (IMAGES, np.uint8),
        (pixels(6, 5, 4, 3), np.uint8),
        (pixels(6, 5, 4, dtype=np.uint16), np.uint16),
        (pixels(6, 5, 4, dtype=np.uint16).astype(">u2"), np.uint16),
        ((IMAGES / 255).astype(np.float32), np.float32),
        (IMAGES / 255, np.float32),
        (np.asfortranarray(IMAGES), np.uint8),
    ],
)
def test_types_and_shapes(images: np.ndarray, dtype: type, compressed: bool, tmp_path: Path) -> None:
    source = open_data(save(tmp_path, compressed, train_images=images, train_labels=LABELS))
    assert (source.format, list(source.parts)) == ("npz", ["train"])
    part = source.part("train")
    assert part.shape == ((3 if images.ndim == 4 else 1), 5, 4)
    loaded = part.load()
    assert loaded.images.dtype == dtype
    assert loaded.images.dtype.isnative
    assert loaded.images.flags.c_contiguous
    np.testing.assert_array_equal(loaded.images.reshape(images.shape), images.astype(dtype))
    np.testing.assert_array_equal(loaded.labels, LABELS)
    assert loaded.labels.dtype == np.int32
    assert loaded.names[1] == f"{source.path}:train_images[1]"


def test_parts_and_spellings(tmp_path: Path) -> None:
    words = ("train", "val", "test")
    arrays: dict[str, Any] = {
        f"{word}_{kind}": a for word in words for kind, a in (("images", IMAGES), ("labels", LABELS))
    }
    source = open_data(save(tmp_path, **arrays, comment=np.zeros(3)))
    assert list(source.parts) == ["train", "validation", "test"]
    assert source.parts["validation"] is source.part("validation")
    assert source.parts["test"] is source.beside("test")
    assert list(open_data(save(tmp_path, x_train=IMAGES, y_train=LABELS[:, None])).parts) == ["train"]
    source = open_data(save(tmp_path, images=IMAGES, labels=LABELS))
    assert source.part("test") is source.train
    assert source.beside("test") is None


def test_indices_size_and_channels(tmp_path: Path) -> None:
    path = save(tmp_path, train_images=IMAGES / 255, train_labels=LABELS)
    loaded = open_data(path).part("train").load((7, 7), 3, indices=np.array([4, 0, 0]))
    assert loaded.images.shape == (3, 7, 7, 3)
    assert loaded.images.dtype == np.float32
    np.testing.assert_array_equal(loaded.labels, [1, 0, 0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": IMAGES}, "no array train_images and train_labels; found: pictures"),
        ({"train_images": IMAGES}, "no array train_labels; found: train_images"),
        ({"test_labels": LABELS}, "no array test_images; found: test_labels"),
        ({"train_images": IMAGES[0], "train_labels": LABELS}, r"train_images: images of shape \(5, 4\); expected"),
        ({"train_images": IMAGES[:0], "train_labels": LABELS[:0]}, "no images"),
        ({"train_images": pixels(6, 3, 8, 8), "train_labels": LABELS}, r"channels in front.* as in \(6, 8, 8, 3\)"),
        ({"train_images": IMAGES.astype(int), "train_labels": LABELS}, "images of type int64; expected uint8"),
        ({"train_images": IMAGES, "train_labels": LABELS[:5]}, "5 labels for 6 images"),
        ({"train_images": IMAGES, "train_labels": LABELS / 2}, "labels of type float64; expected whole numbers"),
        ({"train_images": IMAGES, "train_labels": np.eye(6, dtype=int)}, r"labels of shape \(6, 6\)"),
        ({"train_images": IMAGES, "train_labels": LABELS - 1}, r"train_labels\[0\]: label -1 is negative"),
        ({"train_images": IMAGES, "train_labels": np.array(["a"] * 6, object)}, "train_labels: pickled"),
        ({"train_images": np.array([None] * 6), "train_labels": LABELS}, "train_images: pickled"),
        ({"train_images": IMAGES / 100, "train_labels": LABELS}, r"train_images\[\d\]: values from .* must be in 0..1"),
        ({"train_images": np.full((6, 2, 2), np.nan), "train_labels": LABELS}, r"\[0\]: values from nan .*\(6 such"),
    ],
)
def test_wrong_arrays(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_data(save(tmp_path, **arrays)).part("train").load()
    assert "data.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def npy(shape: str, descr: str = "|u1", data: bytes = b"") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (npy("(1000000000000, 28, 28)"), "makes 784000000000000 bytes, found 0"),
        (npy("(True, 2, 2)", data=bytes(4)), "impossible shape"),
        (npy("(-1, 2, 2)"), "impossible shape"),
        (npy("(6, 5, 4)", data=bytes(119)), "makes 120 bytes, found 119"),
        (npy("(6, 5, 4)", "[('a', 'u1')]".replace("'", ""), data=bytes(120)), "damaged"),
        (b"\x93NUMPY\x03\x00" + bytes(20), ".npy format"),
        (b"not an array", "damaged .npz file"),
        (b"", "damaged .npz file"),
    ],
)
def test_crafted_members(member: bytes, message: str, tmp_path: Path) -> None:
    path = save(tmp_path, train_labels=LABELS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train_images.npy", member)
    with pytest.raises(DataError, match=message):
        open_data(path)


def test_unusual_compression(tmp_path: Path) -> None:
    path = save(tmp_path, train_labels=LABELS)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("train_images.npy", npy("(6, 5, 4)", data=bytes(120)))
    with pytest.raises(DataError, match="zip method 12"):
        open_data(path)


def test_more_than_deflate_can_hold(tmp_path: Path) -> None:
    path = save(tmp_path, train_labels=np.zeros(100_000, np.uint8))
    member = npy("(100000, 100, 100)", data=bytes(10))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("train_images.npy", member)
    # both directories of the archive claim the size that the array's header promises
    content, lie = path.read_bytes(), len(member) - 10 + 10**9
    assert content.count(len(member).to_bytes(4, "little")) == 2
    path.write_bytes(content.replace(len(member).to_bytes(4, "little"), lie.to_bytes(4, "little")))
    with pytest.raises(DataError, match="expected 1000000000 bytes, found at most"):
        open_data(path)


def test_mutants_raise_nothing_but_our_errors(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    path = save(tmp_path, compressed=True, train_images=IMAGES, train_labels=LABELS)
    content = path.read_bytes()
    survivors = 0
    for _ in range(300):
        mutant = bytearray(content)
        for at in generator.integers(0, len(mutant), generator.integers(1, 3)):
            mutant[at] ^= 1 << generator.integers(8)
        path.write_bytes(bytes(mutant[: generator.integers(1, 4 * len(mutant))]))
        try:
            open_data(path).part("train").load()
            survivors += 1
        except CnnError:
            pass
    assert 0 < survivors < 300


def test_a_size_that_no_memory_holds(tmp_path: Path) -> None:
    part = open_data(save(tmp_path, train_images=IMAGES, train_labels=LABELS)).part("train")
    with pytest.raises(DataError, match=r"needs .* GB, and [\d.]+ GB may be used"):
        part.load(size=(1_000_000, 1_000_000))
