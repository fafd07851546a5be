"""Archives of class folders: as their folders would be read, and each way they can be wrong or hostile."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from dataset_files import image_bytes, pixels, write_classes

from cnncli.datasets.base import open_data
from cnncli.errors import DataError

PNG = image_bytes(pixels(6, 5))
KINDS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")


def pack(path: Path, folder: Path) -> Path:
    """What is in a folder, files in reverse order, with the folder's name above."""
    files = [file for file in sorted(folder.rglob("*"), reverse=True) if file.is_file()]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(folder.parent))
    else:
        with tarfile.open(path, f"w:{'' if path.suffix == '.tar' else path.suffix[1:]}") as archive:
            for file in files:
                archive.add(file, str(file.relative_to(folder.parent)))
    return path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_as_the_folders_themselves(kind: str, tmp_path: Path) -> None:
    root = tmp_path / "pets"
    write_classes(root / "train", {"cat": 11, "dog": 3})
    write_classes(root / "test", {"dog": 2})
    write_classes(root / "notes", {"x": 1})
    (root / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    (root / "readme.txt").write_bytes(b"x")
    folder, archive = open_data(root), open_data(pack(tmp_path / f"pets.{kind}", root))
    assert archive.format == "archive"
    assert archive.parts.keys() == folder.parts.keys() == {"train", "test"}
    for name, part in archive.parts.items():
        wanted, found = folder.parts[name].load(), part.load()
        assert (found.classes, part.shape) == (wanted.classes, (1, 6, 5))
        np.testing.assert_array_equal(found.images, wanted.images)
        np.testing.assert_array_equal(found.labels, wanted.labels)
        assert [str(n).split(":")[1] for n in found.names] == [str(Path(n).relative_to(tmp_path)) for n in wanted.names]
    some = np.array([12, 0, 12])
    part = archive.part("train")
    np.testing.assert_array_equal(part.load(indices=some).images, part.load().images[some])


def test_class_folders_at_the_top(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a/1.png": PNG, "b\\1.png": PNG, "__MACOSX/a/1.png": b"x"})
    assert open_data(path).part("train").classes == ("a", "b")
    assert list(open_data(write_zip(tmp_path / "y.zip", {"test/a/1.png": PNG})).parts) == ["test"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"/etc/1.png": PNG}, "x.zip:/etc/1.png: a member that points outside"),
        ({"a/../../b/1.png": PNG}, "a member that points outside"),
        ({"C:\\a\\1.png": PNG}, "a member that points outside"),
        ({"a/1.png": PNG}, r"only one class folder \(a\)"),
        ({"1.png": PNG}, "images, but no class folders: 1.png"),
        ({"a/1.png": PNG, "b/c/1.png": PNG}, "a class folder with a folder in it: b/c/1.png"),
        ({"a/1.png": PNG, "b/1.tif": PNG}, r"x.zip:b/1.tif: \.tif files are not read"),
        ({"val/a/1.png": PNG, "valid/a/1.png": PNG}, "val and valid are both the validation part"),
        ({"a/1.png": PNG, "b/1.png": b"\0" * 2**26}, "more than the 64000000 allowed for one image"),
        ({"a/1.png": PNG, **{f"{i}.txt": b"\0" * 2**26 for i in range(5)}}, "unpack to more than 100 times as many"),
        ({"readme.txt": b"x"}, "no data set is recognised here"),
    ],
)
def test_faulty_archives(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", members)
    before = {*tmp_path.iterdir()}
    with pytest.raises(DataError, match=message):
        open_data(path)
    assert {*tmp_path.iterdir()} == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        entry = tarfile.TarInfo("a/1.png")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(DataError, match=r"x\.tar:a/1\.png: a link or device"):
        open_data(tmp_path / "x.tar")


def test_link_in_a_zip(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("a/1.png")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match="a link or device"):
        open_data(tmp_path / "x.zip")


def test_truncated(tmp_path: Path) -> None:
    root = write_classes(tmp_path / "pets", {"a": 20, "b": 20}, size=(40, 40))
    for kind in KINDS:
        path = pack(tmp_path / f"pets.{kind}", root)
        path.write_bytes(path.read_bytes()[:20000])
        with pytest.raises(DataError, match=r"pets\..*truncated or damaged archive"):
            open_data(path).part("train").load()


def test_damage_of_one_member_of_a_zip_is_its_own(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a/1.png": PNG, "b/1.png": PNG, "b/2.png": PNG})
    content = bytearray(path.read_bytes())
    content[content.index(b"b/1.png") + 20] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.zip:b/1\.png: ") as caught:
        open_data(path).part("train").load()
    assert "\n" not in str(caught.value)


def test_encrypted_zip(tmp_path: Path) -> None:
    content = bytearray(write_zip(tmp_path / "x.zip", {"a/1.png": PNG, "b/1.png": PNG}).read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := bytes(content).find(mark, at + 1)) >= 0:
            content[at + place] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.zip:a/1\.png: encrypted"):
        open_data(tmp_path / "x.zip").part("train").load()
