"""Class folders in one .zip or .tar file (.tar.gz, .tar.bz2, .tar.xz, .tgz), read where they are.

Folders above the class folders are passed over, but ``train/``, ``val/`` and ``test/``, which make parts. Nothing is
ever unpacked to the disk. An archive is refused where a member points outside of it, where it has links or devices, or
where it grows far more than images do when it is unpacked.
"""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from cnncli.datasets._file_set import CLUTTER, FOLDERS, OTHER_IMAGES, FileSet, Stamp, stamp
from cnncli.datasets._files import failure, listing, natural_key, open_regular, shown
from cnncli.datasets._images import KINDS, MAX_BYTES, SUFFIXES, Content
from cnncli.datasets.base import Dataset
from cnncli.errors import CnnError, DataError

_ZIP = b"PK\x03\x04"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
# images are packed already: what grows a hundred times, beyond what is no harm, is made to fill the memory or the day
GROWTH, HARMLESS = 100, 2**28

AnyArchive = zipfile.ZipFile | tarfile.TarFile
Entry = zipfile.ZipInfo | tarfile.TarInfo


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    size: int
    plain: bool  # no link, device or the like


@dataclass(frozen=True, eq=False)
class Archive(FileSet):
    """Images in an archive.

    Attributes
    ----------
    members : tuple of int
        Which of the archive's entries each image is.
    """

    members: tuple[int, ...] = field(kw_only=True)

    last_resort = True

    @classmethod
    def find(cls, path: Path) -> dict[str, Dataset] | None:
        if not path.is_file() or not _is_archive(path):
            return None
        with _opened(path) as archive:
            members = list(_members(path, archive))
        return _scan(path, members)

    def stamps(self, indices: Sequence[int]) -> Iterator[Stamp]:
        yield stamp(str(self.path))
        for index in indices:
            yield self.files[index], 0, 0, 0

    def contents(self, indices: Sequence[int]) -> Iterator[tuple[int, Content]]:
        places: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            places.setdefault(self.members[index], []).append(place)
        with _opened(self.path) as archive:
            for number, entry in enumerate(_entries(archive)):
                if number in places:
                    content = _content(self.path, archive, entry)
                    for place in places[number]:
                        yield place, content


def _is_archive(path: Path) -> bool:
    with open_regular(path) as file:
        head = file.read(512)
    if head.startswith(_ZIP) or head[257:262] == b"ustar":
        return True
    if not head.startswith(_PACKED):
        return False
    try:
        with tarfile.open(path):
            return True
    except (tarfile.TarError, EOFError, OSError, ValueError):
        if path.suffix == ".tgz" or path.stem.endswith(".tar"):
            raise DataError(f"{shown(path)}: truncated or damaged archive") from None
        return False


@contextmanager
def _opened(path: Path) -> Iterator[AnyArchive]:
    """The archive; what goes wrong while it is used raises a CnnError of one line."""
    try:
        with open_regular(path) as file:
            packed = file.read(4) == _ZIP
            file.seek(0)
            with zipfile.ZipFile(file) if packed else tarfile.open(fileobj=file, errorlevel=2) as archive:
                yield archive
    except CnnError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise failure(path, error) from None
        raise DataError(f"{shown(path)}: truncated or damaged archive: {shown(error)[:200]}") from None
    # zipfile, tarfile and the decompressors raise what they stumbled over: BadZipFile, ReadError, zlib.error, EOFError
    except Exception as error:
        reason = shown(error)[:200] or type(error).__name__
        raise DataError(f"{shown(path)}: truncated or damaged archive: {reason}") from None


def _members(path: Path, archive: AnyArchive) -> Iterator[Member]:
    """All entries in their order; DataError at the first that no archive of images has."""
    packed = path.stat().st_size
    unpacked = 0
    for entry in _entries(archive):
        member = _member(entry)
        name = shown(f"{path}:{member.name}")
        unpacked += member.size
        if member.name.startswith("/") or ".." in member.name.split("/") or member.name[1:2] == ":":
            raise DataError(f"{name}: a member that points outside of the archive")
        if not member.plain:
            raise DataError(f"{name}: a link or device; only files and folders are read")
        if _suffix(member.name) in SUFFIXES and member.size > MAX_BYTES:
            raise DataError(f"{name}: {member.size} bytes, more than the {MAX_BYTES} allowed for one image")
        if unpacked > max(HARMLESS, GROWTH * packed):
            raise DataError(f"{name}: {packed} bytes that unpack to more than {GROWTH} times as many; not images")
        yield member


def _entries(archive: AnyArchive) -> Iterator[Entry]:
    return iter(archive.infolist() if isinstance(archive, zipfile.ZipFile) else archive)


def _member(entry: Entry) -> Member:
    if isinstance(entry, tarfile.TarInfo):
        return Member(entry.name + "/" * entry.isdir(), entry.size, entry.isfile() or entry.isdir())
    kind = stat.S_IFMT(entry.external_attr >> 16)
    plain = kind in (0, stat.S_IFREG, stat.S_IFDIR) or entry.create_system != 3  # 3 is Unix
    return Member(entry.filename.replace("\\", "/"), entry.file_size, plain)


def _content(path: Path, archive: AnyArchive, entry: Entry) -> Content:
    """A member's bytes. In a zip each is packed for itself, so one that is damaged is no concern of the others."""
    if isinstance(entry, tarfile.TarInfo):
        assert isinstance(archive, tarfile.TarFile)
        return archive.extractfile(entry).read()  # type: ignore[union-attr]  # it is a file: the scan has seen to it
    assert isinstance(archive, zipfile.ZipFile)
    name = shown(f"{path}:{entry.filename}")
    try:
        with archive.open(entry) as file:
            return file.read(MAX_BYTES + 1)
    except RuntimeError:
        return DataError(f"{name}: encrypted")
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        return DataError(f"{name}: damaged: {shown(error)[:200]}")


def _scan(path: Path, members: Sequence[Member]) -> dict[str, Dataset] | None:
    """Parts and classes, from names alone; None if there are no images."""
    places: dict[tuple[str, ...], int] = {}
    problems = []
    for number, member in enumerate(members):
        parts = PurePosixPath(member.name).parts
        if member.name.endswith("/") or any(part.startswith(".") or part in CLUTTER for part in parts):
            continue
        if _suffix(member.name) in OTHER_IMAGES:
            kind = _suffix(member.name)
            problems.append(f"{shown(f'{path}:{member.name}')}: {kind} files are not read; {KINDS} are")
        elif _suffix(member.name) in SUFFIXES:
            if parts in places:
                problems.append(f"{shown(f'{path}:{member.name}')}: is in the archive twice")
            places[parts] = number
    if problems:
        raise DataError(listing(problems, "faulty members"))
    if not places:
        return None
    above = os.path.commonpath(["/".join(parts[:-2]) for parts in places]) if min(map(len, places)) > 2 else ""
    depth = len(PurePosixPath(above).parts)
    if above and PurePosixPath(above).name.lower() in FOLDERS:
        depth -= 1
    by_part: dict[str, dict[tuple[str, ...], int]] = {}
    words: dict[str, str] = {}
    for parts, number in places.items():
        inner = parts[depth:]
        if len(inner) == 3 and (part := FOLDERS.get(inner[0].lower())):
            if words.setdefault(part, inner[0]) != inner[0]:
                raise DataError(f"{shown(path)}: {shown(words[part])} and {shown(inner[0])} are both the {part} part")
            by_part.setdefault(part, {})[inner[1:]] = number
    if not by_part:
        wrong = next((parts for parts in places if len(parts) != depth + 2), None)
        if wrong:
            what = "images, but no class folders" if len(wrong) < depth + 2 else "a class folder with a folder in it"
            raise DataError(f"{shown(path)}: {what}: {shown('/'.join(wrong))}")
        by_part = {"train": {parts[depth:]: number for parts, number in places.items()}}
    return {part: _part(path, members, part, found) for part, found in by_part.items()}


def _part(path: Path, members: Sequence[Member], part: str, found: dict[tuple[str, ...], int]) -> Archive:
    order = sorted(found, key=lambda parts: [natural_key(name) for name in parts])
    classes = tuple(dict.fromkeys(shown(folder) for folder, _ in order))
    if len(classes) < len({folder for folder, _ in order}):
        raise DataError(f"{shown(path)}: two class folders have the same name")
    if len(classes) == 1 and part == "train":
        raise DataError(f"{shown(path)}: only one class folder ({classes[0]}); a classifier needs two or more")
    position = {name: i for i, name in enumerate(classes)}
    labels = np.array([position[shown(folder)] for folder, _ in order], np.int32)
    numbers = tuple(found[parts] for parts in order)
    files = tuple(f"{path}:{members[number].name}" for number in numbers)
    return Archive(path, classes, labels, files=files, members=numbers)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
