"""A list of images and their classes: a CSV or TSV file with a row ``path,label`` for each image.

A first row that names the columns (``path`` or ``file``, ``label`` or ``class``) may stand above; then they may be in
any order, a column ``split`` says which part an image belongs to (train, validation, test), and others are passed
over. Paths start from the list's folder. Labels are names, or numbers from 0 where all of them are; fields may be
quoted as RFC 4180 has it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnncli.datasets._arrays import MAX_CLASSES
from cnncli.datasets._file_set import FileSet
from cnncli.datasets._files import listing, natural_key, open_regular, shown
from cnncli.datasets._images import Content
from cnncli.datasets.base import PARTS, Dataset
from cnncli.errors import DataError, MissingError
from cnncli.registry import suggest

_COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "filepath", "image", "image_path"),
    "label": ("label", "class", "class_name", "target"),
    "split": ("split", "part", "subset"),
}
_SUFFIXES = (".csv", ".tsv")


@dataclass(frozen=True)
class Row:
    """One image of a list."""

    line: int
    path: str
    label: str
    part: str
    fields: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ImageList(FileSet):
    """Image files that a table names.

    Attributes
    ----------
    rows : tuple of Row
        What the list says of each image.
    header : tuple of str
        Names of the columns, where the list has some.
    """

    rows: tuple[Row, ...] = field(kw_only=True)
    header: tuple[str, ...] = field(kw_only=True)

    @classmethod
    def find(cls, path: Path) -> dict[str, Dataset] | None:
        if not path.is_file() or (text := _text(path)) is None:
            return None
        found = _rows(path, text)
        if found is None:
            return None
        header, rows = found
        classes, labels = _classes(path, rows)
        parts: dict[str, Dataset] = {}
        for part in dict.fromkeys(row.part for row in rows):
            own = [i for i, row in enumerate(rows) if row.part == part]
            files, some = tuple(rows[i].path for i in own), tuple(rows[i] for i in own)
            parts[part] = cls(path, classes, labels[own], files=files, rows=some, header=header)
        return parts

    def column(self, name: str) -> Sequence[str]:
        if not self.header:
            raise DataError(f"{shown(self.path)}: has no first row that names the columns, so there is no {name!r}")
        if name not in self.header:
            raise DataError(f"{shown(self.path)}: there is no column {name!r}; {suggest(name, self.header)}")
        place = self.header.index(name)
        values = [row.fields[place] if place < len(row.fields) else "" for row in self.rows]
        if "" in values:
            raise DataError(f"{shown(self.path)}:{self.rows[values.index('')].line}: nothing in column {name!r}")
        return values

    @property
    def numbered(self) -> bool:
        return all(name.isdecimal() for name in self.classes)

    def contents(self, indices: Sequence[int]) -> Iterator[tuple[int, Content]]:
        for place, index in enumerate(indices):
            file = self.files[index]
            there = os.path.exists(file)
            yield (
                place,
                file
                if there
                else MissingError(f"{shown(self.path)}:{self.rows[index].line}: there is no file {shown(file)}"),
            )


def _text(path: Path) -> str | None:
    """The file's text; bytes that are no UTF-8 are kept, as names of files may have such. None if it is no text."""
    with open_regular(path) as file:
        head = file.read(4096)
        if b"\0" in head:
            if path.suffix.lower() in _SUFFIXES:
                raise DataError(f"{shown(path)}: not a text in UTF-8; save it as such (perhaps it is UTF-16)")
            return None
        return (head + file.read()).decode("utf-8-sig", "surrogateescape")


def _rows(path: Path, text: str) -> tuple[tuple[str, ...], list[Row]] | None:
    """The names of the columns, if the first row says them, and all rows, checked; None if this is no list."""
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in "\t,;" if mark in first), None)
    if delimiter is None:
        return None
    header: tuple[str, ...] = ()
    rows: list[Row] = []
    problems: list[str] = []
    seen: dict[str, Row] = {}
    columns: dict[str, int] | None = None
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
    try:
        for fields in reader:
            fields = [entry.strip() for entry in fields]
            if not any(fields):
                continue
            if columns is None:
                columns = _columns(fields)
                if columns is not None:
                    header = tuple(fields)
                    continue
                columns = {"path": 0, "label": 1}
                if path.suffix.lower() not in _SUFFIXES and not os.path.exists(path.parent / fields[0]):
                    return None
            row = _row(path, reader.line_num, fields, columns, problems)
            if row is None:
                continue
            before = seen.setdefault(row.path, row)
            if before is not row:
                other = "" if before.label == row.label else f", as {shown(before.label)}, not {shown(row.label)}"
                problems.append(
                    f"{shown(path)}:{row.line}: {fields[columns['path']]} is in line {before.line} too{other}"
                )
            rows.append(row)
    except csv.Error as error:
        raise DataError(f"{shown(path)}:{reader.line_num}: {error}") from None
    if not rows and not problems:
        problems.append(f"{shown(path)}: a list without images")
    if problems:
        raise DataError(listing(problems, "faulty rows"))
    return header, rows


def _columns(fields: list[str]) -> dict[str, int] | None:
    """Where each column is, if the first row says so."""
    names = [entry.lower() for entry in fields]
    found = {
        column: names.index(name) for column, spellings in _COLUMNS.items() for name in spellings[::-1] if name in names
    }
    return found if {"path", "label"} <= found.keys() else None


def _row(path: Path, line: int, fields: list[str], columns: dict[str, int], problems: list[str]) -> Row | None:
    where = f"{shown(path)}:{line}"
    if len(fields) <= max(columns.values()):
        problems.append(f"{where}: {len(fields)} fields, too few; expected {' and '.join(columns)}")
        return None
    values = {column: fields[place] for column, place in columns.items()}
    for column, value in values.items():
        if not value:
            problems.append(f"{where}: no {column}")
            return None
    if not values["label"].isprintable():
        problems.append(f"{where}: label {shown(values['label'])} is not printable text; save the list as UTF-8")
        return None
    part = PARTS.get(values.get("split", "train").lower())
    if part is None:
        problems.append(f"{where}: split {shown(values['split'])} is none of train, validation and test")
        return None
    file = os.path.normpath(os.path.join(path.parent, values["path"]))
    return Row(line, file, values["label"], part, tuple(fields))


def _number(label: str) -> int:
    """The number that digits mean, as far as it may be a class at all."""
    digits = label.lstrip("0") or "0"
    return int(digits) if len(digits) < 10 else MAX_CLASSES


def _classes(path: Path, rows: list[Row]) -> tuple[tuple[str, ...], np.ndarray]:
    names = {row.label for row in rows}
    if all(name.isdecimal() for name in names):
        labels = np.array([_number(row.label) for row in rows])
        largest = int(labels.argmax())
        if labels[largest] >= MAX_CLASSES:
            raise DataError(
                f"{shown(path)}:{rows[largest].line}: label {shown(rows[largest].label)} is too large, "
                f"at most {MAX_CLASSES - 1}"
            )
        return tuple(map(str, range(int(labels[largest]) + 1))), labels.astype(np.int32)
    classes = tuple(sorted(names, key=natural_key))
    position = {name: i for i, name in enumerate(classes)}
    return classes, np.array([position[row.label] for row in rows], np.int32)
