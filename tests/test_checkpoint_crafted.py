"""Files made with care, whose digest is right, but which `save` would never write, are refused all the same."""

import json
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_checkpoint import ARRAYS, META, PATH

from cnncli import checkpoint
from cnncli.checkpoint import decode, save
from cnncli.errors import CheckpointError

Row = tuple[str, Any, Any, bytes]  # name, dtype, shape, contents


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "a.npz"
    save(path, ARRAYS, META)
    return path.read_bytes()


def seal(data: bytes) -> bytes:
    """Append the digest that belongs to the bytes."""
    return data + sha256(data).hexdigest().encode()


def archive(*members: tuple[str, bytes]) -> bytes:
    """A sealed archive of the given members, whatever they are."""
    structures, data = checkpoint._Archive(), b""
    for name, content in members:
        data += structures.add(name, len(content), zlib.crc32(content)) + content
    return seal(data + structures.end())


def npy(content: bytes, dtype: Any = "|u1", shape: Any = None) -> bytes:
    return checkpoint._npy_header(dtype, (len(content),) if shape is None else shape) + content


def crafted(*rows: Row, text: bytes | None = None, **changes: Any) -> bytes:
    """A file whose parts agree with each other, made from rows and a table that `save` might refuse."""
    table = {
        name: {"dtype": dtype, "shape": shape, "sha256": sha256(content).hexdigest()}
        for name, dtype, shape, content in rows
    }
    whole = {"format": 1, "arrays": table, "meta": {}} | changes
    if text is None:
        text = json.dumps({key: value for key, value in whole.items() if value != "left out"}).encode()
    members = [(name, npy(content, dtype, tuple(shape))) for name, dtype, shape, content in rows]
    return archive(("meta", npy(text)), *members)


EMPTY = b'{"format": 1, "arrays": {}, "meta": {}} '
GOOD: Row = ("a", "<f4", [2], b"12345678")


def test_crafted_files_are_bad_for_one_reason_only(tmp_path: Path, data: bytes) -> None:
    assert decode(crafted(GOOD), PATH).arrays["a"].tobytes() == b"12345678"
    assert decode(seal(data[:-64]), PATH).meta == META


@pytest.mark.parametrize(
    "row",
    [
        ("a", "<f2", [4], b"12345678"),
        ("a", ">f4", [2], b"12345678"),
        ("a", "f4", [2], b"12345678"),
        ("a", "|O", [1], b"12345678"),
        ("a", ["<f4"], [2], b"12345678"),
        ("a", "<f4", [1, 1, 1, 1, 1, 1, 1, 1, 2], b"12345678"),
        ("a", "<f4", [-1, -2], b"12345678"),
        ("a", "<f4", [True], b"1234"),
        ("a", "<f4", [2.0], b"12345678"),
        ("a", "<f4", ["2"], b"12345678"),
        ("a", "<f4", [None], b""),
        ("a", "<f4", "2", b"12345678"),
        ("a", "<f4", [3], b"12345678"),
        ("a", "<f4", [1], b"12345678"),
        ("a", "<f4", [2**62, 4], b""),  # 2**66 bytes, which 64 bits take for 0
        ("a", "<f4", [10**4000], b""),
        ("a", "<f4", [0, 2**62, 2**62], b""),
        ("a", "<f4", [0, 10**4000], b""),
        ("a", "|u1", [2**31], b""),
        ("a/b", "<f4", [2], b"12345678"),
        ("../a", "<f4", [2], b"12345678"),
        ("a\\b", "<f4", [2], b"12345678"),
        ("a\0", "<f4", [2], b"12345678"),
        ("meta", "<f4", [2], b"12345678"),
        ("", "<f4", [2], b"12345678"),
        ("a" * 201, "<f4", [2], b"12345678"),
    ],
    ids=lambda row: repr(row)[:40],
)
def test_rows_that_are_not_allowed(row: Row) -> None:
    with pytest.raises(CheckpointError, match=r"^somewhere/last.npz: damaged \([^\n]*\)$"):
        decode(crafted(row), PATH)


def test_too_many_members() -> None:
    rows: list[Row] = [(str(number), "<f4", [0], b"") for number in range(4096)]
    assert len(decode(crafted(*rows[:-1]), PATH).arrays) == 4095
    with pytest.raises(CheckpointError, match="4096 arrays"):
        decode(crafted(*rows), PATH)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 0},
        {"format": "1"},
        {"format": None},
        {"format": "left out"},
        {"arrays": "left out"},
        {"arrays": []},
        {"arrays": {}},
        {"arrays": {"a": []}},
        {"arrays": {"a": {"dtype": "<f4", "shape": [2]}}},
        {"arrays": {"a": {"dtype": "<f4", "shape": [2], "sha256": "0" * 64}}},
        {"arrays": {"b": {"dtype": "<f4", "shape": [2], "sha256": sha256(b"12345678").hexdigest()}}},
        {"meta": "left out"},
        {"meta": []},
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_tables_that_are_not_allowed(changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"^somewhere/last.npz: damaged \([^\n]*\)$"):
        decode(crafted(GOOD, **changes), PATH)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b"9" * 100_000,
        b'{"format": 1, "arrays": {"\\ud800": {}}, "meta": {}}',
        EMPTY.ljust(2**24 + 1),
    ],
    ids=lambda text: repr(text)[:40],
)
def test_texts_that_are_no_table(text: bytes) -> None:
    assert decode(crafted(text=EMPTY), PATH).arrays == {}
    with pytest.raises(CheckpointError, match=r"^somewhere/last.npz: damaged \([^\n]*\)$"):
        decode(crafted(text=text), PATH)


def test_newer_format() -> None:
    message = r"last.npz: written by a newer version \(format 7; this one reads up to 1\)"
    with pytest.raises(CheckpointError, match=message):
        decode(crafted(format=7, arrays="left out", more=[1]), PATH)


TEXT = npy(
    json.dumps(
        {
            "format": 1,
            "arrays": {"a": {"dtype": "<f4", "shape": [2], "sha256": sha256(b"12345678").hexdigest()}},
            "meta": {},
        }
    ).encode()
)
ARRAY = npy(b"12345678", "<f4", (2,))


@pytest.mark.parametrize(
    "members",
    [
        [("meta", TEXT)],
        [("a", ARRAY), ("meta", TEXT)],
        [("meta", TEXT), ("a", ARRAY), ("a", ARRAY)],
        [("meta", TEXT), ("meta", TEXT), ("a", ARRAY)],
        [("meta", TEXT), ("a", ARRAY), ("b", ARRAY)],
        [("meta", TEXT), ("b", ARRAY)],
        [("meta", TEXT), ("a", b"")],
        [("meta", TEXT), ("a", ARRAY + b"1")],
        [("meta", TEXT), ("a", ARRAY[:-1])],
        [("meta", TEXT), ("a", ARRAY.replace(b"NUMPY\1", b"NUMPY\2"))],
        [("meta", TEXT), ("a", ARRAY.replace(b"NUMPY\1", b"NUMPY\3"))],
        [("meta", TEXT), ("a", ARRAY.replace(b"<f4", b"<i4"))],
        [("meta", TEXT), ("a", ARRAY.replace(b"<f4", b"|O8"))],
        [("meta", TEXT), ("a", ARRAY.replace(b"(2,)", b"(3,)"))],
        [("meta", TEXT), ("a", ARRAY.replace(b"False", b"True "))],
        [("meta", TEXT), ("a", ARRAY.replace(b"{'", b"['"))],
        [("meta", TEXT), ("a", b"\x93NUMPY\1\0" + b"\xff\xff" + ARRAY[10:])],
        [("meta", TEXT), ("a", b"\x93NUMPY\2\0" + b"\xff\xff\xff\xff" + ARRAY[10:])],
        [("meta", TEXT), ("a", b"\x93NUMPY\1\0" + b"\x00\x30" + ARRAY[10:-9].ljust(0x2FFF) + b"\n12345678")],
        [("meta", TEXT.replace(b"|u1", b"<i1")), ("a", ARRAY)],
    ],
)
def test_members_that_are_not_what_the_table_says(members: list[tuple[str, bytes]]) -> None:
    decode(archive(("meta", TEXT), ("a", ARRAY)), PATH)
    with pytest.raises(CheckpointError, match=r"not a checkpoint|damaged"):
        decode(archive(*members), PATH)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"PK\3\4\x14\0\0\x08\0\0", b"PK\3\4\x14\0\1\x08\0\0"),  # encrypted
        (b"PK\3\4\x14\0\0\x08\0\0", b"PK\3\4\x14\0\x08\x08\0\0"),  # sizes after the contents
        (b"PK\3\4\x14\0\0\x08\0\0", b"PK\3\4\x14\0\0\x08\x08\0"),  # deflated
        (b"PK\1\2\x14\0\x14\0\0\x08\0\0", b"PK\1\2\x14\0\x14\0\1\x08\0\0"),
        (b"PK\1\2\x14\0\x14\0\0\x08\0\0", b"PK\1\2\x14\0\x14\0\0\x08\x08\0"),
        (b"PK\1\2", b"PK\1\1"),
        (b"PK\5\6\0\0", b"PK\5\6\1\0"),  # of several disks
        (b"PK\5\6\0\0\0\0\6\0\6\0", b"PK\5\6\0\0\0\0\6\0\7\0"),  # number of members
        (b"PK\5\6", b"\0PK\5\6"),
        (b"seen.npy", b"Seen.npy"),
        (b"seen.npy", b"../s.npy"),
        (b"\x35\xd9", b"\x01\0"),  # an extra field that gives 64-bit sizes
        (b"sha256:", b"\0sha256:"),
        (b"PK\3\4", b"junkPK\3\4"),
    ],
)
def test_archives_that_are_not_what_save_writes(data: bytes, old: bytes, new: bytes) -> None:
    position = data.rindex(old)
    with pytest.raises(CheckpointError, match="damaged"):
        decode(seal(data[:position] + new + data[position + len(old) : -64]), PATH)


@pytest.mark.parametrize("where", ["meta.npy", "seen.npy"])
@pytest.mark.parametrize("field", [14, 18, 22, 26, 28])  # CRC, both sizes, lengths of the name and of the extra field
def test_numbers_in_local_headers(data: bytes, where: str, field: int) -> None:
    start = data.index(b"PK\3\4", data.index(where.encode()) - 30)
    for change in (1, 64, 128, 255):
        changed = bytearray(data[:-64])
        changed[start + field] ^= change
        with pytest.raises(CheckpointError, match="damaged"):
            decode(seal(bytes(changed)), PATH)


def test_random_changes_under_a_right_digest(data: bytes) -> None:
    """No change of any kind is taken for a checkpoint of the same table, and none raises anything else."""
    rng = np.random.default_rng(0)
    outcomes = {True: 0, False: 0}
    for _ in range(2000):
        changed = bytearray(data[:-64])
        position = int(rng.integers(len(changed)))
        changed[position : position + int(rng.integers(3))] = rng.bytes(int(rng.integers(3)))
        try:
            loaded = decode(seal(bytes(changed)), PATH)
        except CheckpointError:
            outcomes[False] += 1
        else:
            outcomes[True] += 1
            assert bytes(changed) == data[:-64]
            assert loaded.meta == META
    assert outcomes[False] > 1000
