"""Twenty data sets that are wrong, each in its own way: a clear line or a listed omission, and nothing is changed."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn
from PIL import Image

NETWORK = "model:\n  - linear: {out_features: 2}\ntrain: {epochs: 1, batch_size: 4}\n"
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


def png(path: Path, size: tuple[int, int] = (8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.resize(PIXELS, size)).save(path)
    return path


def good(root: Path, classes: str = "ab") -> None:
    for label in classes:
        for i in range(6):
            png(root / label / f"{i}.png")


def mixed_sizes(root: Path) -> None:
    good(root)
    png(root / "a" / "9.png", (9, 8))


def corrupt(root: Path) -> None:
    good(root)
    content = (root / "a" / "1.png").read_bytes()
    (root / "a" / "1.png").write_bytes(content[: len(content) - 30])


def empty_file(root: Path) -> None:
    good(root)
    (root / "a" / "1.png").write_bytes(b"")


def text_file(root: Path) -> None:
    good(root)
    (root / "a" / "1.png").write_text("<html>not found</html>")


def dead_link(root: Path) -> None:
    good(root)
    (root / "a" / "8.png").symlink_to("/nowhere/at/all.png")


def huge_image(root: Path) -> None:
    good(root)
    Image.new("1", (6000, 6000)).save(root / "a" / "8.png")


def empty_folder(root: Path) -> None:
    root.mkdir()


def empty_class(root: Path) -> None:
    good(root)
    (root / "c").mkdir()


def unknown_class_in_validation(root: Path) -> None:
    good(root / "train")
    good(root / "val", "ac")


def class_missing_in_validation(root: Path) -> None:
    good(root / "train")
    good(root / "val", "b")


def names_that_are_no_utf8(root: Path) -> None:
    good(root)
    os.rename(os.fsencode(root) + b"/a/1.png", os.fsencode(root) + b"/a/\xff\xfe.png")


def idx(root: Path, labels: list[int], cut: int = 0, packed: bool = False) -> None:
    root.mkdir()
    end = ".gz" if packed else ""
    images = np.random.default_rng(0).integers(0, 255, (len(labels), 8, 8), np.uint8)
    for kind, array in (("images-idx3", images), ("labels-idx1", np.array(labels, np.uint8))):
        content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        content = gzip.compress(content) if packed else content
        content = content[: len(content) - cut] if kind == "images-idx3" else content
        (root / f"train-{kind}-ubyte{end}").write_bytes(content)


def truncated_gzip(root: Path) -> None:
    idx(root, [0, 1] * 4, cut=30, packed=True)


def truncated_idx(root: Path) -> None:
    idx(root, [0, 1] * 4, cut=3)


def wrong_labels(root: Path) -> None:
    idx(root, [0, 1, 0, 7])


def cifar_of_wrong_length(root: Path) -> None:
    root.mkdir()
    (root / "data_batch_1.bin").write_bytes(b"\0" * 3000)


def table(root: Path, text: str) -> None:
    good(root)
    (root / "list.csv").write_text(text)


def list_with_missing_file(root: Path) -> None:
    table(root, "path,label\na/0.png,x\na/none.png,y\nb/0.png,y\n")


def list_with_bad_label(root: Path) -> None:
    table(root, "a/0.png,x\na/1.png,\n")


def list_with_duplicates(root: Path) -> None:
    table(root, "a/0.png,x\nb/0.png,y\na/0.png,y\n")


def zipped(root: Path, members: dict[str, bytes]) -> None:
    root.mkdir()
    with zipfile.ZipFile(root / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def zip_with_absolute_path(root: Path) -> None:
    zipped(root, {"/tmp/a/1.png": b"x"})


def zip_bomb(root: Path) -> None:
    zipped(root, {"a/1.png": bytes(2**26)})


def tar_with_link(root: Path) -> None:
    root.mkdir()
    with tarfile.open(root / "x.tar", "w") as archive:
        entry = tarfile.TarInfo("a/1.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "../../etc/passwd"
        archive.addfile(entry)


CASES: list[tuple[Callable[[Path], None], str, int, str]] = [
    (mixed_sizes, "", 65, "sizes differ: "),
    (corrupt, "", 65, "1.png: cannot be decoded: "),
    (empty_file, "", 65, "1.png: an empty file"),
    (text_file, "", 65, "1.png: not an image (looks like text)"),
    (dead_link, "", 65, "8.png: there is no such file or folder"),
    (huge_image, "", 65, "8.png: more than the 25000000 pixels allowed for one image"),
    (empty_folder, "", 65, "an empty folder; expected class folders of images"),
    (empty_class, "", 65, "c: no images in this class folder"),
    (unknown_class_in_validation, "", 65, "0.png: class c is not among the 2 classes a, b"),
    (class_missing_in_validation, "", 0, "12 images for training, 6 for validation; 2 classes, 8x8 grey"),
    (names_that_are_no_utf8, "", 0, "12 images for training; 2 classes, 8x8 grey"),
    (truncated_gzip, "", 65, "truncated or damaged: expected 512 bytes"),
    (truncated_idx, "", 65, "truncated or damaged: expected 512 bytes (8 x 8 x 8 elements), found 509"),
    (wrong_labels, "", 65, "[3]: label 7, but the network has 2 outputs, for labels from 0 to 1"),
    (cifar_of_wrong_length, "", 65, "3000 bytes are no whole number of records of 3073 (CIFAR-10) or 3074"),
    (list_with_missing_file, "list.csv", 65, "list.csv:3: there is no file "),
    (list_with_bad_label, "list.csv", 65, "list.csv:2: no label"),
    (list_with_duplicates, "list.csv", 65, "list.csv:3: a/0.png is in line 1 too, as x, not y"),
    (zip_with_absolute_path, "x.zip", 65, "x.zip:/tmp/a/1.png: a member that points outside of the archive"),
    (zip_bomb, "x.zip", 65, "x.zip:a/1.png: 67108864 bytes, more than the 64000000 allowed for one image"),
    (tar_with_link, "x.tar", 65, "x.tar:a/1.png: a link or device; only files and folders are read"),
]


def state(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Everything about the files below a folder, their contents as a hash."""
    found = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            about = os.lstat(path)
            content = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest() if os.path.isfile(path) else b""
            found[path] = about.st_mode, about.st_size, about.st_mtime_ns, content
    return found


@pytest.mark.parametrize(("make", "name", "code", "message"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_bad_data(cnn: Cnn, folder: Path, make: Callable[[Path], None], name: str, code: int, message: str) -> None:
    make(folder / "set")
    before = state(folder / "set")
    Path("c.yaml").write_text(f"data: {{train: set/{name}}}\n" + NETWORK)
    done = cnn("train", "c.yaml")
    assert done.code == code, done.err
    assert message in done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 1500
    assert Path("runs").exists() == (code == 0)
    assert state(folder / "set") == before


@pytest.mark.parametrize("make", [corrupt, empty_file, text_file, dead_link, huge_image, list_with_missing_file])
def test_bad_images_are_left_out_where_asked(cnn: Cnn, folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "set")
    before = state(folder / "set")
    listed = "/list.csv" if make is list_with_missing_file else ""
    Path("c.yaml").write_text(
        f"data: {{train: set{listed}, test: set{listed}, on_error: skip, max_bad: 1}}\n" + NETWORK
    )
    done = cnn("train", "c.yaml")
    assert done.code == 0, done.err
    assert "warning: images left out that cannot be read: 1 of train; see runs/c/skipped.csv" in done.err
    rows = list(csv.DictReader(Path("runs/c/skipped.csv").read_text().splitlines()))
    assert [row["part"] for row in rows] == ["train", "test"]
    assert all(row["path"].endswith(".png") and row["label"] and row["reason"] for row in rows)
    assert "images left out" in Path("runs/c/log.txt").read_text()
    assert state(folder / "set") == before
    again = cnn("train", "c.yaml", "--resume", "train.epochs=2", "--workers", "0", "--no-cache")
    assert again.code == 0, again.err
    evaluated = cnn("eval", "runs/c")
    assert evaluated.code == 0
    assert "warning: skipped: " in evaluated.err
    assert cnn("train", "c.yaml", "data.max_bad=0").code == 65
