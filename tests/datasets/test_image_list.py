"""Lists of images: columns, parts, quoting, and each row that can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import pixels, write_image

from cnncli.datasets._images import decode_image
from cnncli.datasets.base import Source, open_data
from cnncli.errors import DataError


def opened(folder: Path, text: str | bytes, name: str = "list.csv") -> Source:
    for i in range(4):
        write_image(folder / "images" / f"{i}.png", pixels(5, 4, seed=i))
    write_image(folder / "images" / "a, b.png", pixels(5, 4, seed=9))
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return open_data(folder / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "images/0.png,cat\nimages/1.png,dog\nimages/2.png,cat\n"),
        ("list.csv", "path,label\nimages/0.png,cat\nimages/1.png,dog\n\nimages/2.png,cat"),
        ("list.csv", "\ufeffLabel,note,File\r\ncat,x,images/0.png\r\ndog,,images/1.png\r\ncat,,./images/2.png\r\n"),
        ("list.tsv", "images/0.png\tcat\nimages/1.png\tdog\nimages/2.png\tcat\n"),
        ("list.csv", '"images/0.png";"cat"\nimages/1.png;dog\nimages/2.png;cat\n'),
        ("list.txt", "images/0.png, cat\nimages/1.png, dog\nimages/2.png, cat\n"),
    ],
)
def test_every_way_to_write_it(name: str, text: str, tmp_path: Path) -> None:
    source = opened(tmp_path, text, name)
    assert (source.format, list(source.parts)) == ("image_list", ["train"])
    part = source.part("train")
    assert (part.classes, part.shape, part.numbered) == (("cat", "dog"), (1, 5, 4), False)
    np.testing.assert_array_equal(part.labels, [0, 1, 0])
    np.testing.assert_array_equal(part.load().images[2], decode_image(tmp_path / "images" / "2.png"))


def test_parts_and_numbers(tmp_path: Path) -> None:
    source = opened(tmp_path, 'file,class,split\n"images/a, b.png",2,train\nimages/1.png,0,val\nimages/2.png,0,test\n')
    assert {name: part.labels.tolist() for name, part in source.parts.items()} == {
        "train": [2],
        "validation": [0],
        "test": [0],
    }
    assert source.part("train").numbered
    assert source.part("test").classes == ("0", "1", "2")


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in (b"\xff.png", b"\xfe.png"):
        Path(str(tmp_path / "images"), name.decode(errors="surrogateescape")).write_bytes(
            write_image(tmp_path / "x.png", pixels(3, 3)).read_bytes()
        )
    part = opened(tmp_path, b"images/\xff.png,a\nimages/\xfe.png,b\n").part("train")
    assert part.load().images.shape == (2, 3, 3, 1)


def test_columns(tmp_path: Path) -> None:
    text = "path,label,split,Patient\nimages/0.png,a,train,p 1\nimages/1.png,b,test,p2\nimages/2.png,b,train,p1\n"
    part = opened(tmp_path, text).part("train")
    assert part.column("Patient") == ["p 1", "p1"]
    with pytest.raises(DataError, match=r"list\.csv: there is no column 'patient'; .*'?Patient"):
        part.column("patient")
    part = opened(tmp_path, "path,label,n\nimages/0.png,a,1\nimages/1.png,b\n").part("train")
    with pytest.raises(DataError, match=r"list\.csv:3: nothing in column 'n'$"):
        part.column("n")
    part = opened(tmp_path, "images/0.png,a\nimages/1.png,b\n").part("train")
    with pytest.raises(DataError, match="no first row that names the columns, so there is no 'n'"):
        part.column("n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("images/0.png,a\nimages/1.png\n", r"list\.csv:2: 1 fields, too few; expected path and label"),
        ("images/0.png,a\nimages/1.png,\n", r"list\.csv:2: no label"),
        ("images/0.png,a\n,b\n", r"list\.csv:2: no path"),
        ("images/0.png,a\nimages/0.png,a\n", r"list\.csv:2: images/0\.png is in line 1 too$"),
        ("images/0.png,a\nimages/1.png,b\n./images/0.png,b\n", r"list\.csv:3: .*is in line 1 too, as a, not b"),
        ("path,label,split\nimages/0.png,a,trian\n", r"list\.csv:2: split trian is none of train, validation and test"),
        ("images/0.png,99999999\n", r"list\.csv:1: label 99999999 is too large"),
        ("path,label\n", "a list without images"),
        ('images/0.png,"a\n', r"list\.csv:1: unexpected end of data"),
        (b"images/0.png,caf\xe9\n", r"list\.csv:1: label caf\? is not printable text; save the list as UTF-8"),
        ("images/0.png,a\n".encode("utf-16"), "not a text in UTF-8"),
    ],
)
def test_faulty_lists(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        opened(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path))


def test_files_that_are_missing_are_named_with_their_lines(tmp_path: Path) -> None:
    part = opened(tmp_path, "images/0.png,a\nnone.png,b\nimages/7.png,a\n").part("train")
    with pytest.raises(DataError, match=r"list\.csv:2: there is no file .*none\.png\n.*list\.csv:3: there is no"):
        part.load((5, 4), 1)
