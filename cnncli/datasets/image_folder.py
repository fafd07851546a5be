"""Folders of class folders: ``cat/1.png``, ``cat/2.png``, ``dog/1.jpg``, ...; the folder's name is the class.

``train/``, ``val/`` (or ``valid/``, ``validation/``) and ``test/`` above the class folders make parts. Classes and
files are in natural order (2 before 10). Images lie directly in their class folder; hidden files and files of other
kinds are passed over. Linked files and class folders are followed, linked folders further down are not, so a link
cannot lead in circles.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnncli.datasets._file_set import CLUTTER, FOLDERS, OTHER_IMAGES, FileSet
from cnncli.datasets._files import listing, natural_key, shown
from cnncli.datasets._images import KINDS, SUFFIXES, Content
from cnncli.datasets.base import Dataset
from cnncli.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageFolder(FileSet):
    """Class folders with image files, class after class."""

    last_resort = True

    @classmethod
    def find(cls, path: Path) -> dict[str, Dataset] | None:
        if not path.is_dir():
            return None
        folders, files = _contents(path)
        if not folders:
            if any(_suffix(file) in SUFFIXES for file in files):
                raise DataError(f"{shown(path)}: images, but no class folders; sub-folders are the classes")
            return None
        named = {folder: FOLDERS[folder.name.lower()] for folder in folders if folder.name.lower() in FOLDERS}
        parts = {folder: part for folder, part in named.items() if _holds_classes(folder)}
        if not parts:
            if len(named) == len(folders):
                raise DataError(f"{shown(path)}: no class folders in {' and '.join(folder.name for folder in folders)}")
            return {"train": _scan(path, folders, single_class=False)}
        twice = [part for part, count in Counter(parts.values()).items() if count > 1]
        if twice:
            names = " and ".join(folder.name for folder, part in parts.items() if part == twice[0])
            raise DataError(f"{shown(path)}: {names} are both the {twice[0]} part")
        return {
            part: _scan(Path(folder.path), _contents(folder.path)[0], single_class=part != "train")
            for folder, part in parts.items()
        }

    def contents(self, indices: Sequence[int]) -> Iterator[tuple[int, Content]]:
        return ((place, self.files[index]) for place, index in enumerate(indices))


def _contents(folder: str | Path) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """Sub-folders and files in natural order, without what is hidden, clutter, or a link back up to where we are."""
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".") and entry.name not in CLUTTER]
    visible.sort(key=lambda entry: natural_key(entry.name))
    here = Path(folder).resolve()
    folders = [
        entry
        for entry in visible
        if _is_folder(entry) and not (entry.is_symlink() and here.is_relative_to(Path(entry.path).resolve()))
    ]
    return folders, [entry for entry in visible if not _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # unlike the entry's own method this is False, not an error, for a link that leads nowhere
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _suffix(file: os.DirEntry[str]) -> str:
    return os.path.splitext(file.name)[1].lower()


def _holds_classes(folder: os.DirEntry[str]) -> bool:
    folders, files = _contents(folder.path)
    return bool(folders) and not any(_suffix(file) in SUFFIXES for file in files)


def _scan(root: Path, folders: list[os.DirEntry[str]], single_class: bool) -> ImageFolder:
    """List the images of all class folders; DataError names every class folder that cannot be one."""
    found: dict[str, list[str]] = {}
    problems = []
    for folder in folders:
        # class names go to terminals, tables and checkpoints: printable text from here on
        name = shown(folder.name)
        inner, files = _contents(folder.path)
        images = [file.path for file in files if _suffix(file) in SUFFIXES]
        nested = [entry.name for entry in inner if not entry.is_symlink()]
        unread = [file for file in files if _suffix(file) in OTHER_IMAGES]
        if nested:
            problems.append(f"{shown(folder.path)}: a class folder with a folder in it, {shown(nested[0])}")
        elif unread:
            problems.append(f"{shown(unread[0].path)}: {_suffix(unread[0])} files are not read; {KINDS} are")
        elif not images:
            problems.append(f"{shown(folder.path)}: no images in this class folder; {KINDS} are read")
        elif name in found:
            problems.append(f"{shown(folder.path)}: two class folders have this name")
        found[name] = images
    if not problems and len(found) == 1 and not single_class:
        problems.append(f"{shown(root)}: only one class folder ({next(iter(found))}); a classifier needs two or more")
    if problems:
        raise DataError(listing(problems, "faulty class folders"))
    labels = np.repeat(np.arange(len(found), dtype=np.int32), [len(images) for images in found.values()])
    return ImageFolder(root, tuple(found), labels, files=tuple(file for images in found.values() for file in images))
