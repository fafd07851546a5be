"""Reading YAML 1.2 with positions and limits, and writing what reads back the same."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnncli import yamlio
from cnncli.errors import IOFailure, MissingError, SpecError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("5e-4", 0.0005), ("1e3", 1000.0), ("1E+3", 1000.0), (".5", 0.5), ("5.", 5.0), ("-0.0", -0.0),
        ("1e400", math.inf), (".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf),
        ("10", 10), ("010", 10), ("-7", -7), ("+7", 7), ("0o17", 15), ("0x1F", 31), ("00", 0),
        ("true", True), ("False", False), ("TRUE", True), ("null", None), ("~", None), ("", None), ("Null", None),
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("No", "No"), ("y", "y"), ("tRUE", "tRUE"), ("nULL", "nULL"),
        ("1:30", "1:30"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"), ("2024-99-99", "2024-99-99"), ("=", "="),
        ("0b1", "0b1"), ("-0x1", "-0x1"), ("e3", "e3"), ("1e", "1e"), (".", "."), ("inf", "inf"), ("nan", "nan"),
        ("'1'", "1"), ('"true"', "true"), ("''", ""), ("|\n  1\n", "1\n"), ("١", "١"), ("1 epoch", "1 epoch"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_the_core_schema(text: str, value: Any) -> None:
    data, _ = yamlio.parse(f"key: {text}", "x")
    assert (data["key"], type(data["key"])) == (value, type(value))


def test_nan() -> None:
    assert math.isnan(yamlio.parse(".nan", "x")[0])


def test_every_entry_has_the_place_of_its_key_and_its_value() -> None:
    data, marks = yamlio.parse("a: {b: [1, 2]}\nc:\n  - x\n  - y:\n", "x")
    assert data == {"a": {"b": [1, 2]}, "c": ["x", {"y": None}]}
    assert {path: (*mark.key, *mark.value) for path, mark in marks.items()} == {
        (): (1, 1, 1, 1),
        ("a",): (1, 1, 1, 4),
        ("a", "b"): (1, 5, 1, 8),
        ("a", "b", 0): (1, 9, 1, 9),
        ("a", "b", 1): (1, 12, 1, 12),
        ("c",): (2, 1, 3, 3),
        ("c", 0): (3, 5, 3, 5),
        ("c", 1): (4, 5, 4, 5),
        ("c", 1, "y"): (4, 5, 4, 7),
    }


def test_an_anchor_is_reused_as_a_copy_of_its_own() -> None:
    data, marks = yamlio.parse("a: &x {b: [1]}\nc: *x\n", "x")
    assert data == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert data["a"] is not data["c"]
    assert data["a"]["b"] is not data["c"]["b"]
    assert marks["c", "b", 0].value == (1, 12)


@pytest.mark.parametrize(("text", "data"), [("", None), ("# nothing\n", None), (b"\xef\xbb\xbfa: 1\r\n", {"a": 1})])
def test_empty_text_and_byte_order_marks(text: str | bytes, data: Any) -> None:
    parsed, marks = yamlio.parse(text, "x")
    assert parsed == data
    assert () in marks


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("a: 1\nb: 2\na: 3", "3:1", "the key 'a' is given twice, first in line 1"),
        ("x:\n  a: 1\n  'a': 2", "3:3", "the key 'a' is given twice, first in line 2"),
        ("a:\n\tb: 1", "2:1", "a tab is used here; YAML is indented with spaces"),
        ("a:\n  b: 1\n\tc: 1", "3:1", "a tab"),
        ("a: !!int 3", "1:4", "tags ('!...') are not supported"),
        ("a: !!python/object/apply:os.system [ls]", "1:4", "tags"),
        ("a: !mine b", "1:4", "tags"),
        ("a: ! b", "1:4", "tags"),
        ("a: !!timestamp foo", "1:4", "tags"),
        ("!!map {a: 1}", "1:1", "tags"),
        ("!!str a: 1", "1:1", "tags"),
        ("a: &x {b: 1}\nc:\n  <<: *x", "3:3", "merge keys ('<<') are not supported"),
        ("? [a]\n: b", "1:3", "a key must be text"),
        ("? {a: b}\n: c", "1:3", "a key must be text"),
        ("1: a", "1:1", "a key must be text"),
        ("null: a", "1:1", "a key must be text"),
        ("--- a\n--- b", "2:1", "a second document begins here"),
        ("a: b: c", "1:5", "a ':' is not allowed here"),
        ("a: 1\n  b: 2", "2:4", "a ':' is not allowed here"),
        ("a:\n  - b\n c: 1", "3:2", "the indentation does not fit the lines above"),
        ("a:\n  b: 1\n  c\n", "4:1", "a ':' is missing before this line"),
        ("a: [1, 2", "1:9", "the ']' at the end of a list is missing before this"),
        ("a: 'x", "1:6", "unexpected end"),
        ("a: *nobody", "1:4", "undefined alias 'nobody'"),
        ("a: &x [*x]", "1:4", "nested deeper than 50 levels"),
        ("a: @b", "1:4", "needs quotes"),
        ("a: %b", "1:4", "needs quotes"),
        ('a: "\\q"', "1:6", "unknown escape character 'q'"),
        ('a: "\\UFFFFFFFF"', "1:7", "a malformed escape"),
        ('a: "\\ud800"', "1:4", "the character '\\ud800' is not allowed in a text"),
        ('a: "x\\0"', "1:4", "the character '\\x00' is not allowed in a text"),
        ('a: "\\e[31m"', "1:4", "the character '\\x1b' is not allowed in a text"),
        ("a: 1\nb: \x07", "2:4", "the character '\\x07' is not allowed"),
        (b"a: 1\n\nb: x\xff", "3:5", "not UTF-8 text"),
        ("a: 1".encode("utf-16"), "1:1", "not UTF-8 text"),
        ("%YAML 3.0\n--- a", "1:1", "incompatible YAML document"),
        ("%FOO", "1:5", "expected '<document start>'"),
        ("a: " + "9" * 5000, "1:4", "a number of 5000 digits is too long"),
        ("a: 0x" + "f" * 500_000, "1:4", "digits is too long"),
        ("#" * 2**20 + "\n", "1:1", "larger than 1,048,576 bytes"),
        ("[" * 30_000, "1:51", "nested deeper than 50 levels"),
        ("- " * 30_000, "1:101", "nested deeper than 50 levels"),
        ("{a: " * 30_000, "1:198", "nested deeper than 50 levels"),
        ("[" * 51 + "]" * 51, "1:51", "nested deeper than 50 levels"),
    ],
)
def test_what_is_refused_and_where(text: str | bytes, where: str, words: str) -> None:
    started = time.perf_counter()
    with pytest.raises(yamlio.YamlError) as error:
        yamlio.parse(text, "x.yaml")
    assert time.perf_counter() - started < 5
    assert str(error.value).startswith(f"x.yaml:{where}: ")
    assert words in str(error.value)
    assert f"{error.value.place.line}:{error.value.place.column}" == where


def test_fifty_levels_are_allowed() -> None:
    assert yamlio.parse("[" * 50 + "]" * 50, "x")[0]


def bomb(link: str) -> str:
    """Nine uses of the line before in each line: 9 ** 9 entries when expanded."""
    lines = ["a0: &a0 {x: 1}"]
    for i in range(9):
        lines.append(f"a{i + 1}: &a{i + 1} {link.format(', '.join([f'*a{i}'] * 9))}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb("[{}]"), "more than 100,000 entries"),
        (bomb("{{<<: [{}]}}"), "merge keys"),
        ("[" + "1," * 100_000 + "]", "more than 100,000 entries"),
    ],
    ids=["alias", "merge", "long"],
)
def test_bombs_are_refused_quickly(text: str, words: str) -> None:
    started = time.perf_counter()
    with pytest.raises(SpecError, match=words):
        yamlio.parse(text, "x")
    assert time.perf_counter() - started < 20


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    assert yamlio.load(str(tmp_path / "a.yaml"))[0] == {"a": 1}
    for path in (tmp_path / "b.yaml", tmp_path, tmp_path / "a.yaml" / "b"):
        with pytest.raises(MissingError, match=str(path)):
            yamlio.load(str(path))
    with pytest.raises(IOFailure, match="cannot be read"):
        yamlio.load("a\0b")


# --- fuzz

YAML_LIKE = st.text(alphabet="ab01:-[]{}&*!|>'\"%@`#?,.~<= \n\t\r\\eux\x85\ufeff\u2028é", max_size=60)


@settings(max_examples=600, deadline=None)
@given(st.one_of(YAML_LIKE, st.text(max_size=40), st.binary(max_size=40)))
def test_only_spec_errors_escape(text: str | bytes) -> None:
    try:
        data, marks = yamlio.parse(text, "x")
    except SpecError as error:
        message = str(error)
    else:
        message = "x:"
        assert () in marks
        assert yamlio.parse(yamlio.dump(data), "x")[0] == data or "nan" in repr(data)
    assert message.startswith("x:")
    assert "\n" not in message


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=20),
    st.from_regex(r"[-+]?[0-9.xoeEinf_:~]{0,6}", fullmatch=True),
)
KEYS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8)
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@settings(max_examples=300, deadline=None)
@given(DATA)
def test_what_is_written_reads_back_the_same(data: Any) -> None:
    again, _ = yamlio.parse(yamlio.dump(data), "x")
    assert repr(again) == repr(data)  # repr tells 1 from 1.0 and True


def test_the_style_of_what_is_written() -> None:
    data = {
        "data": {"image": {"size": [28, 28], "channels": 1}, "train": "/a/b"},
        "model": [{"conv2d": {"out_channels": 6, "kernel_size": [5, 5]}, "name": "c1"}, "relu"],
        "optimizer": {"sgd": {"lr": 1e-5, "x": "1e3"}},
    }
    assert yamlio.dump(data) == (
        "data:\n"
        "  image: {size: [28, 28], channels: 1}\n"
        "  train: /a/b\n"
        "model:\n"
        "- conv2d: {out_channels: 6, kernel_size: [5, 5]}\n"
        "  name: c1\n"
        "- relu\n"
        "optimizer:\n"
        "  sgd: {lr: 1.0e-05, x: '1e3'}\n"
    )
