"""YAML in and out: plain data with the place of every key and value, read by the scalars of YAML 1.2.

Why not ``yaml.safe_load``: it reads ``1e-3`` as a text, ``010`` as 8 and ``on`` as true, keeps the last of two equal
keys, follows merge keys into exponential growth, and tells no positions. So PyYAML only parses here, and this module
turns its nodes into data within fixed limits. The C parser is not used because it crashes on deep nesting.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Any, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from cnncli.errors import IOFailure, MissingError, SpecError
from cnncli.fields import Path

MAX_BYTES = 2**20
MAX_DEPTH = 50
MAX_NODES = 100_000  # counted after aliases are expanded


class Place(NamedTuple):
    """A position in the text, counted from 1."""

    line: int
    column: int


class Mark(NamedTuple):
    """Where an entry stands; an entry of a list (and the whole document) has no key of its own, only a value."""

    key: Place
    value: Place


Marks = dict[Path, Mark]


class YamlError(SpecError):
    """Text that is not the YAML we read.

    Parameters
    ----------
    source : str
        Name of the text, as the user knows it.
    place : Place
    reason : str
        What is wrong, without the position.
    """

    def __init__(self, source: str, place: Place, reason: str) -> None:
        super().__init__(f"{source}:{place.line}:{place.column}: {reason}")
        self.place = place
        self.reason = reason


def load(path: str) -> tuple[Any, Marks]:
    """Read a file as `parse` does.

    Raises
    ------
    MissingError, IOFailure
        If there is no such file, or it cannot be read.
    YamlError
        See `parse`.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise MissingError(f"{path}: is a folder, a YAML file is wanted") from None
    except (OSError, ValueError) as error:
        raise IOFailure(f"{path}: cannot be read: {error}") from None
    return parse(text, path)


def parse(text: bytes | str, source: str) -> tuple[Any, Marks]:
    """Turn YAML text into plain data (dict with text keys, list, str, int, float, bool, None).

    Parameters
    ----------
    text : bytes or str
        One document, at most `MAX_BYTES` of UTF-8.
    source : str
        Its name in messages.

    Returns
    -------
    data
        The document; None if it is empty.
    marks : Marks
        From the path of every entry, a tuple of keys and list indices, to its place.

    Raises
    ------
    YamlError
        If the text is no YAML, has duplicate keys, uses tags or merge keys, or exceeds a limit.
    """
    if len(text) > MAX_BYTES:
        raise YamlError(source, Place(1, 1), f"larger than {MAX_BYTES:,} bytes, the limit for a config")
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        node = _compose(text)
        reader = _Reader()
        if node is None:
            return None, {(): Mark(Place(1, 1), Place(1, 1))}
        return reader.read(node, (), 1), reader.marks
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8")
        raise YamlError(source, _place_after(before), "not UTF-8 text") from None
    except _Refused as error:
        raise YamlError(source, error.place, error.reason) from None


def dump(data: Any) -> str:
    """YAML text that `parse` reads back as the same data; short lists and mappings stand on one line."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31))


class _Refused(Exception):
    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


# --- text to nodes

_HINTS = {
    "'\\t'": "a tab is used here; YAML is indented with spaces",
    "that cannot start any token": "a text that begins with this character needs quotes",
    "expected <block end>": "the indentation does not fit the lines above",
    "mapping values are not allowed here": "a ':' is not allowed here; is the indentation right, or a quote missing?",
    "could not find expected ':'": "a ':' is missing before this line, or its indentation is wrong",
    "expected ',' or ']'": "a ',' or the ']' at the end of a list is missing before this",
    "expected ',' or '}'": "a ',' or the '}' at the end of a mapping is missing before this",
    "expected a single document": "a second document begins here; a config is one document",
}


class _Composer(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to the node graph, without any type: no tags, limited depth."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.depth = self.count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        place = _place(event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _Refused(place, "tags ('!...') are not supported")
        self.depth, self.count = self.depth + 1, self.count + 1
        _check_limits(self.depth, self.count, place)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str) -> yaml.Node | None:
    composer = None
    try:
        composer = _Composer(text)
        return composer.get_single_node()
    except ReaderError as error:
        place = _place_after(text[: error.position])
        raise _Refused(place, f"the character {text[error.position]!a} is not allowed") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"{error.context}, {error.problem}" if error.context and error.problem else error.problem or ""
        hint = next((hint for part, hint in _HINTS.items() if part in f"{error.context} {error.problem}"), None)
        raise _Refused(_place(mark), hint or problem) from None
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        place = _place(composer.get_mark()) if composer else Place(1, 1)
        raise _Refused(place, f"a malformed escape or directive: {error}") from None


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _place_after(text: str) -> Place:
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    return Place(len(lines), len(lines[-1]) + 1)


def _check_limits(depth: int, count: int, place: Place) -> None:
    if depth > MAX_DEPTH:
        raise _Refused(place, f"nested deeper than {MAX_DEPTH} levels")
    if count > MAX_NODES:
        raise _Refused(place, f"more than {MAX_NODES:,} entries, aliases counted where they are used")


# --- nodes to data


class _Reader:
    def __init__(self) -> None:
        self.marks: Marks = {}
        self.count = 0

    def read(self, node: yaml.Node, path: Path, depth: int, key: Place | None = None) -> Any:
        place = _place(node.start_mark)
        self.count += 1
        _check_limits(depth, self.count, place)
        self.marks[path] = Mark(key or place, place)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        return [self.read(entry, (*path, index), depth + 1) for index, entry in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _place(key_node.start_mark)
            key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                raise _Refused(place, "a key must be text; put it in quotes if it is meant so")
            if key == "<<" and key_node.style is None:
                raise _Refused(place, "merge keys ('<<') are not supported")
            if key in data:
                first = self.marks[*path, key].key
                raise _Refused(place, f"the key {key!r} is given twice, first in line {first.line}")
            data[key] = self.read(value_node, (*path, key), depth + 1, place)
        return data


_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {  # with the two patterns the core schema of YAML 1.2.2, section 10.3.2
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:  # quoted or a block: always text
        bad = next((c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n"), None)
        if bad is not None:
            raise _Refused(_place(node.start_mark), f"the character {bad!a} is not allowed in a text")
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > 100:
            raise _Refused(_place(node.start_mark), f"a number of {len(text)} digits is too long")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text) if _FLOAT.fullmatch(text) else text


# --- data to text


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or 1.2 would take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent(self, data: Any) -> None:
        node = self.represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = False
        self.serialize(node)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        return super().represent_sequence(tag, sequence, _on_one_line(sequence))

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, _on_one_line(mapping))


for _pattern in _INTEGER, _FLOAT:  # the words are the same in YAML 1.1
    _Dumper.add_implicit_resolver("number", re.compile(f"({_pattern.pattern})$"), list("-+.0123456789"))


def _on_one_line(data: Any) -> bool:
    entries = data.values() if isinstance(data, dict) else data
    return len(repr(data)) <= 100 and not any(isinstance(entry, dict) for entry in entries)
