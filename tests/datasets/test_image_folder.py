"""Folders of class folders: order, parts, what is passed over, mixed images, and each way they can be wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from dataset_files import pixels, write_classes, write_image
from PIL import Image

from cnncli.datasets._images import decode_image
from cnncli.datasets.base import Dataset, open_data
from cnncli.errors import DataError


def plain(root: Path) -> Dataset:
    source = open_data(root)
    assert source.format == "image_folder"
    assert list(source.parts) == ["train"]
    return source.part("train")


def test_classes_and_files_in_natural_order(tmp_path: Path) -> None:
    part = plain(write_classes(tmp_path, {"10": 1, "9": 11, "a2": 1, "a10": 1, "B": 1}))
    assert part.classes == ("9", "10", "B", "a2", "a10")
    np.testing.assert_array_equal(np.bincount(part.labels), [11, 1, 1, 1, 1])
    assert part.labels.dtype == np.int32
    assert [Path(name).name for name in part.names[:11]] == [f"{i}.png" for i in range(1, 12)]
    assert (len(part), part.shape) == (15, (1, 6, 5))


def test_pixels_are_those_of_decode_image(tmp_path: Path) -> None:
    part = plain(write_classes(tmp_path, {"a": 2, "b": 3}))
    for size, channels in ((None, None), ((9, 4), None), ((9, 4), 3)):
        loaded = part.load(size, channels)
        expected = np.stack([decode_image(name, size, channels) for name in part.names])
        np.testing.assert_array_equal(loaded.images, expected)
        assert loaded.images.flags.c_contiguous
    loaded = part.load(indices=np.array([4, 1]))
    np.testing.assert_array_equal(loaded.labels, [1, 0])
    assert list(loaded.names) == [part.names[4], part.names[1]]
    np.testing.assert_array_equal(loaded.images[1], decode_image(part.names[1]))


def test_every_format_in_one_folder(tmp_path: Path) -> None:
    colour = pixels(8, 6, 3)
    names = [
        ("1.png", "PNG"),
        ("2.JPG", "JPEG"),
        ("3.bmp", "BMP"),
        ("4.gif", "GIF"),
        ("5.webp", "WEBP"),
        ("6.ppm", "PPM"),
    ]
    for name, kind in names:
        write_image(tmp_path / "a" / name, colour, kind)
        write_image(tmp_path / "b" / name, colour[:, :, 0], kind)
    # the content counts, not the name
    write_image(tmp_path / "b" / "7.png", colour, "JPEG")
    part = plain(tmp_path)
    assert part.shape == (3, 8, 6)
    loaded = part.load()
    assert loaded.images.shape == (13, 8, 6, 3)
    np.testing.assert_array_equal(loaded.images[0], colour)
    np.testing.assert_array_equal(loaded.images[6], np.repeat(colour[:, :, :1], 3, axis=2))


@pytest.mark.parametrize("deep_first", [False, True])
def test_one_deep_image_makes_all_deep(deep_first: bool, tmp_path: Path) -> None:
    deep, grey = pixels(6, 5, dtype=np.uint16), pixels(6, 5)
    write_image(tmp_path / ("a" if deep_first else "b") / "x.png", deep)
    write_image(tmp_path / ("b" if deep_first else "a") / "y.png", grey)
    images = plain(tmp_path).load().images
    assert images.dtype == np.uint16
    np.testing.assert_array_equal(images[0 if deep_first else 1, :, :, 0], deep)
    np.testing.assert_array_equal(images[1 if deep_first else 0, :, :, 0], grey.astype(np.uint16) * 257)


def test_parts(tmp_path: Path) -> None:
    write_classes(tmp_path / "Train", {"a": 3, "b": 2, "c": 1})
    write_classes(tmp_path / "valid", {"b": 2, "a": 1})
    write_classes(tmp_path / "test", {"c": 4})
    write_classes(tmp_path / "notes", {"x": 1})
    source = open_data(tmp_path)
    assert {name: len(part) for name, part in source.parts.items()} == {"train": 6, "validation": 3, "test": 4}
    # labels follow the names of the training classes, whatever a part has itself
    assert source.parts["test"].classes == ("c",)
    np.testing.assert_array_equal(source.parts["test"].load(classes=source.part("train").classes).labels, [2, 2, 2, 2])


def test_part_beside_the_training_folder(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 1, "b": 1})
    write_classes(tmp_path / "test", {"a": 2, "b": 1})
    source = open_data(tmp_path / "train")
    beside = source.beside("test")
    assert beside is not None
    assert len(beside) == 3
    assert source.beside("validation") is None
    # an explicit folder is taken as it is, also for testing
    assert len(source.part("test")) == 2
    assert open_data(tmp_path / "test").beside("validation") is None


def test_unknown_class_is_named(tmp_path: Path) -> None:
    part = plain(write_classes(tmp_path, {"cat": 1, "dog": 1}))
    with pytest.raises(DataError, match=r"dog.1\.png: class dog is not among the 2 classes cat, dig$"):
        part.load(classes=["cat", "dig"])
    np.testing.assert_array_equal(part.load(classes=["dog", "emu", "cat"]).labels, [2, 0])
    with pytest.raises(DataError, match="the config says 3 classes, found 2: cat, dog"):
        part.class_names(3)
    assert part.class_names(2) == ("cat", "dog")
    assert part.class_names(["dog", "cat"]) == ("dog", "cat")


def test_clutter_is_passed_over(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 1, "b": 1})
    for name in (".DS_Store", "Thumbs.db", "notes.txt", ".hidden.png", "labels.json"):
        (tmp_path / "a" / name).write_bytes(b"text")
        (tmp_path / name).write_bytes(b"text")
    for name in (".git", "__MACOSX", "@eaDir"):
        write_classes(tmp_path, {name: 1})
        write_classes(tmp_path / "a", {name: 1})
    assert len(plain(tmp_path)) == 2


def test_links(tmp_path: Path) -> None:
    elsewhere = write_classes(tmp_path / "elsewhere", {"a": 2, "b": 1})
    root = write_classes(tmp_path / "root", {"b": 1})
    (root / "a").symlink_to(elsewhere / "a")
    (root / "b" / "2.png").symlink_to(elsewhere / "b" / "1.png")
    # none of these may be walked into
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to(root)
    (root / "b" / "root").symlink_to(root)
    (root / "b" / "knot").symlink_to(root / "b" / "knot")
    part = plain(root)
    assert part.classes == ("a", "b")
    assert len(part.load()) == 4


def test_rotated_by_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        write_image(tmp_path / name / "1.jpg", pixels(8, 16), "JPEG", exif=exif)
    part = plain(tmp_path)
    assert part.shape == (1, 16, 8)
    assert part.load().images.shape == (2, 16, 8, 1)


def test_sizes_differ(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 2, "b": 2})
    write_image(tmp_path / "b" / "3.png", pixels(7, 9))
    part = plain(tmp_path)
    assert part.shape is None
    assert (part.size, part.channels) == (None, 1)
    with pytest.raises(DataError, match=r"a.1\.png is 6 x 5 .*b.3\.png is 7 x 9") as caught:
        part.load()
    assert "`data: {image: {size: [6, 5], channels: 1, fit: crop}}`" in str(caught.value)
    assert part.load(size=(6, 5)).images.shape == (5, 6, 5, 1)


def test_bad_images_are_all_named_up_to_twenty(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 3, "b": 30})
    (tmp_path / "a" / "2.png").write_bytes(b"just text")
    (tmp_path / "a" / "4.png").symlink_to(tmp_path / "nowhere")
    part = plain(tmp_path)
    for use in (lambda: part.shape, lambda: part.load((6, 5), 1)):
        with pytest.raises(
            DataError, match=r"a.2\.png: not an image \(looks like text\)\n.*a.4\.png: there is no"
        ) as caught:
            use()
        assert str(caught.value).count("\n") == 1
    for i in range(1, 26):
        (tmp_path / "b" / f"{i}.png").write_bytes(b"just text")
    with pytest.raises(DataError, match="7 more: 27 unreadable images in all") as caught:
        part.load((6, 5), 1)
    assert str(caught.value).count("\n") == 20


def test_damage_behind_the_header_is_found_when_loading(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 2, "b": 2}, size=(30, 30))
    path = tmp_path / "b" / "2.png"
    path.write_bytes(path.read_bytes()[:200])
    part = plain(tmp_path)
    assert part.shape == (1, 30, 30)
    with pytest.raises(DataError, match=r"b.2\.png: cannot be decoded"):
        part.load()


def test_image_changed_since_its_header_was_read(tmp_path: Path) -> None:
    part = plain(write_classes(tmp_path, {"a": 2, "b": 2}))
    assert part.shape == (1, 6, 5)
    write_image(tmp_path / "b" / "2.png", pixels(3, 3))
    with pytest.raises(DataError, match=r"b.2\.png: 3 x 3, its header says 6 x 5"):
        part.load()


@pytest.mark.parametrize(
    ("folders", "files", "message"),
    [
        ([], [], "an empty folder; expected class folders"),
        ([], ["readme.txt"], "no data set is recognised here; expected class folders"),
        ([], ["1.png"], "images, but no class folders"),
        (["a", "b"], ["a/1.png"], "b: no images in this class folder"),
        (["a"], ["a/1.png"], r"only one class folder \(a\)"),
        (["a", "b/c"], ["a/1.png", "b/c/1.png"], "b: a class folder with a folder in it, c"),
        (["a", "b"], ["a/1.png", "b/1.png", "b/2.tif"], r"2\.tif: \.tif files are not read; PNG, JPEG"),
        (["train", "test"], ["train/1.png", "test/1.png"], "no class folders in test and train"),
        (["train/a", "test/a", "test/b"], ["train/a/1.png", "test/a/1.png", "test/b/1.png"], "train: only one class"),
        (["val/a", "valid/a"], ["val/a/1.png", "valid/a/1.png"], "val and valid are both the validation part"),
    ],
)
def test_faulty_folders(folders: list[str], files: list[str], message: str, tmp_path: Path) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    for file in files:
        write_image(tmp_path / file, pixels(4, 4))
    with pytest.raises(DataError, match=message) as caught:
        open_data(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


def test_all_faulty_class_folders_are_named(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
    with pytest.raises(DataError) as caught:
        open_data(tmp_path)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [str(tmp_path / name) for name in "abc"]


def test_a_vehicle_called_train_is_a_class(tmp_path: Path) -> None:
    assert plain(write_classes(tmp_path, {"bus": 1, "train": 1})).classes == ("bus", "train")


def test_class_names_are_printable(tmp_path: Path) -> None:
    write_classes(tmp_path, {"b\x1b[31m": 1, "a": 1})
    os.rename(os.fsencode(tmp_path / "a"), os.fsencode(tmp_path) + b"/a\xff")
    part = plain(tmp_path)
    assert part.classes == ("a?", "b?[31m")
    assert len(part.load()) == 2
    write_classes(tmp_path, {"a?": 1})
    with pytest.raises(DataError, match="two class folders have this name"):
        open_data(tmp_path)


def test_more_than_the_memory(tmp_path: Path) -> None:
    part = plain(write_classes(tmp_path, {"a": 1, "b": 1}))
    with pytest.raises(DataError, match=r"needs 8000000\.0 GB, and [\d.]+ GB may be used"):
        part.load((10**7, 4 * 10**8), 1)


def test_nothing_is_written(tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"a": 2, "b": 2})
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}
    plain(root).load((3, 3), 3)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")} == before


def test_a_thousand_small_images_load_quickly(tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"a": 500, "b": 500}, size=(28, 28))
    start = time.perf_counter()
    part = plain(root)
    assert part.shape == (1, 28, 28)
    part.load()
    # about 0.15 s on an ordinary machine; the bound only catches what is badly wrong
    assert time.perf_counter() - start < 3.0
