"""Checkpoints: one self-checking .npz file, written whole or not at all, and read strictly.

The file is a zip archive of stored .npy members, which `numpy.load` opens without pickle::

    meta.npy     uint8: JSON {"format": 1, "arrays": {name: {"dtype", "shape", "sha256"}, ...}, "meta": {...}}
    NAME.npy     the arrays in the order of that table; their contents start at multiples of 64 bytes
    directory, end record, and as the archive's comment "sha256:" + SHA-256 of every byte before the digest

Equal content gives equal bytes. All but the contents follows from the table in meta.npy, therefore the reader parses
neither zip nor npy structures: it rebuilds them from the table and refuses a file which differs. What it accepts is
what `save` writes, and nothing else. Later formats keep the first member and the comment, so that every version can
tell a damaged file from a newer one.
"""

from __future__ import annotations

import json
import math
import re
import stat
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np

from cnncli.errors import CheckpointError, IOFailure, MissingError
from cnncli.files import replace_file

FORMAT = 1
MAX_BYTES = 2**32 - 1  # of the file: a zip archive without extensions
MAX_ARRAY_BYTES = 2**32 - 2**25  # of all arrays, which leaves room for everything else
MAX_META_BYTES = 2**24
MAX_MEMBERS = 4096
MAX_RANK = 8
DTYPES = {"<f4": 4, "<f8": 8, "<i4": 4, "<i8": 8, "|u1": 1}  # and bytes per element

_ALIGNMENT = 64
_MEMBER = pack("<5H", 20, 1 << 11, 0, 0, 1 << 5 | 1)  # zip 2.0, names in UTF-8, stored, 1980-01-01 00:00
_START = b"PK\3\4" + _MEMBER
_FIRST = "meta"
_FIRST_FILE = b"meta.npy"
_TEXT = 192  # where the contents of the first member start: a local header of 64 bytes, a npy header of 128
_SEAL = b"sha256:"
_DIGEST = 64  # hexadecimal digits
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds.

    Attributes
    ----------
    arrays : dict of str to ndarray
        In the order in which they were saved; read-only views of the file's bytes.
    meta : dict
        JSON values.
    path : Path
        The file.
    """

    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]
    path: Path


def save(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any], previous: Path | None = None) -> None:
    """Write a checkpoint whole or not at all; an existing file stays until the new one is safely on the disk.

    Parameters
    ----------
    path : Path
        The file, replaced if it exists.
    arrays : mapping of str to ndarray
        Little-endian float32, float64, int32, int64 or uint8. A name has no slash or control character, and is not
        "meta".
    meta : mapping
        JSON values; NaN and infinity are allowed.
    previous : Path, optional
        Where the replaced file is kept.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written.
    IOFailure
        The disk is full or fails.
    ValueError
        Names, dtypes, shapes or sizes (4 GiB of arrays, 16 MiB of meta) that the format does not allow.
    """
    replace_file(path, _encode(arrays, meta), previous)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and verify every byte of it.

    Memory is bounded by the size of the file (at most 4 GiB) and a small multiple of `MAX_META_BYTES`.

    Raises
    ------
    MissingError
        There is no such file.
    CheckpointError
        The file is cut short, damaged, no checkpoint of cnncli, or written by a newer version.
    IOFailure
        The file cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would block
            raise CheckpointError(f"{path}: not a checkpoint of cnncli (not a file)")
        if status.st_size > MAX_BYTES:
            raise CheckpointError(f"{path}: not a checkpoint of cnncli (larger than 4 GiB)")
        with path.open("rb") as file:
            _check_start(file.peek(_ALIGNMENT), path)  # before a large file of another kind is read
            return decode(file.read(status.st_size), path)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingError(f"{path}: no such checkpoint") from None
    except OSError as error:
        raise IOFailure(f"{path}: cannot be read: {error.strerror}") from error


def decode(data: bytes, path: Path) -> Checkpoint:
    """Verify the bytes of a checkpoint; `path` is named in errors. See `load`."""
    _check_start(data, path)
    if data[-_DIGEST - len(_SEAL) : -_DIGEST] != _SEAL:
        raise CheckpointError(f"{path}: cut short")
    view = memoryview(data)
    if sha256(view[:-_DIGEST]).hexdigest().encode() != view[-_DIGEST:]:
        raise CheckpointError(f"{path}: damaged")
    try:
        return _decode(view, path)
    except (ValueError, RecursionError) as error:  # a correct digest over wrong content: no accident
        raise CheckpointError(f"{path}: damaged ({error})") from error


class _Archive:
    """The zip structures around the members, as a pure function of their names, sizes and CRCs."""

    def __init__(self) -> None:
        self.size = 0
        self._directory = bytearray()
        self._members = 0

    def add(self, name: str, size: int, crc: int) -> bytes:
        """The local header of the next member, padded so that the member starts at a multiple of 64 bytes."""
        filename = f"{name}.npy".encode()
        common = _MEMBER + pack("<3LH", crc, size, size, len(filename))
        padding = -(self.size + 36 + len(filename)) % _ALIGNMENT
        extra = pack("<3H", 0xD935, 2 + padding, _ALIGNMENT) + bytes(padding)  # the field of Android's zipalign
        local = b"PK\3\4" + common + pack("<H", len(extra)) + filename + extra
        self._directory += b"PK\1\2" + _MEMBER[:2] + common + pack("<4H2L", 0, 0, 0, 0, 0, self.size) + filename
        self._members += 1
        self.size += len(local) + size
        return local

    def end(self) -> bytes:
        """The directory, the end record and the comment, but for the digest."""
        counts = (0, 0, self._members, self._members, len(self._directory), self.size, len(_SEAL) + _DIGEST)
        return bytes(self._directory) + b"PK\5\6" + pack("<4H2LH", *counts) + _SEAL


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The header of a .npy file, version 1.0, of a multiple of 64 bytes."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(10 + len(text) + 1) % _ALIGNMENT) + b"\n"
    return b"\x93NUMPY\1\0" + pack("<H", len(text)) + text


def _array_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of an array's contents; ValueError where the format does not allow such an array."""
    if dtype not in DTYPES:
        raise ValueError(f"an array of dtype {dtype!r}")
    if len(shape) > MAX_RANK or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("an array of impossible shape")
    # An empty array, too, must have a shape that numpy can represent.
    if math.prod(n or 1 for n in shape) * DTYPES[dtype] > MAX_ARRAY_BYTES:
        raise ValueError("an array larger than 4 GiB")
    return math.prod(shape) * DTYPES[dtype]


def _check_names(names: Collection[str]) -> None:
    if len(names) >= MAX_MEMBERS:
        raise ValueError(f"{len(names)} arrays")
    for name in names:
        if name == _FIRST or not _NAME.fullmatch(name):
            raise ValueError(f"an array named {name!r}")


def _check_start(data: bytes, path: Path) -> None:
    """Tell other files from checkpoints by their first bytes, which all formats share; the rest may be missing."""
    if not (_START.startswith(data[:14]) and _FIRST_FILE.startswith(data[30:38])):
        raise CheckpointError(f"{path}: not a checkpoint of cnncli")


def _encode(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> list[bytes | memoryview]:
    """The chunks of the file; those of contiguous arrays are their own memory."""
    _check_names(arrays)
    if sum(_array_bytes(array.dtype.str, array.shape) for array in arrays.values()) > MAX_ARRAY_BYTES:
        raise ValueError("arrays larger than 4 GiB")
    table, members = {}, {}
    for name, array in arrays.items():
        content = np.asarray(array, order="C").reshape(-1).view(np.uint8).data
        table[name] = {"dtype": array.dtype.str, "shape": array.shape, "sha256": sha256(content).hexdigest()}
        members[name] = _npy_header(array.dtype.str, array.shape), content
    text = json.dumps({"format": FORMAT, "arrays": table, "meta": meta}, separators=(",", ":")).encode()
    if len(text) > MAX_META_BYTES:
        raise ValueError(f"{len(text)} bytes of meta data, more than {MAX_META_BYTES}")
    members = {_FIRST: (_npy_header("|u1", (len(text),)), memoryview(text)), **members}

    archive = _Archive()
    chunks: list[bytes | memoryview] = []
    for name, (header, content) in members.items():
        local = archive.add(name, len(header) + len(content), zlib.crc32(content, zlib.crc32(header)))
        chunks += local + header, content
    chunks.append(archive.end())
    digest = sha256()
    for chunk in chunks:
        digest.update(chunk)
    return [*chunks, digest.hexdigest().encode()]


def _decode(view: memoryview, path: Path) -> Checkpoint:
    """Rebuild the file from its table of contents; ValueError where it differs."""
    text = view[_TEXT : _ALIGNMENT + int.from_bytes(view[22:26], "little")]  # the size in the first local header
    if len(text) > MAX_META_BYTES:
        raise ValueError(f"{len(text)} bytes of meta data")
    match json.loads(str(text, "utf-8")):
        case {"format": int(number)} if number > FORMAT:
            raise CheckpointError(
                f"{path}: written by a newer version (format {number}; this one reads up to {FORMAT})"
            )
        case {"format": 1, "arrays": dict(table), "meta": dict(meta)}:
            _check_names(table)
        case _:
            raise ValueError("no table of contents")

    archive = _Archive()
    arrays = {}
    for name, (dtype, shape, digest) in {
        _FIRST: ("|u1", (len(text),), sha256(text).hexdigest()),
        **{name: _table_row(row) for name, row in table.items()},
    }.items():
        start, size = archive.size, _array_bytes(dtype, shape)
        header = _npy_header(dtype, shape)
        crc = int.from_bytes(view[start + 14 : start + 18], "little")
        head = archive.add(name, len(header) + size, crc) + header
        content = view[start + len(head) : archive.size]
        if view[start : start + len(head)] != head or len(content) != size:
            raise ValueError(f"array {name!r} is not where or what the table says")
        if zlib.crc32(content, zlib.crc32(header)) != crc or sha256(content).hexdigest() != digest:
            raise ValueError(f"array {name!r} does not match its checksums")
        arrays[name] = np.ndarray(shape, dtype, content)
    if view[archive.size : -_DIGEST] != archive.end():
        raise ValueError("more than the table says")
    del arrays[_FIRST]
    return Checkpoint(arrays, meta, path)


def _table_row(row: object) -> tuple[str, tuple[int, ...], str]:
    match row:
        case {"dtype": str(dtype), "shape": list(shape), "sha256": str(digest)}:
            return dtype, tuple(shape), digest
    raise ValueError("no table of contents")
