"""Files appear whole or not at all, whatever fails."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from faults import Death, failing

from cnncli.errors import IOFailure, OutputError
from cnncli.files import replace_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_order_of_calls(tmp_path: Path) -> None:
    with failing(-1, Death()) as made:
        replace_file(tmp_path / "a", [b"12", b"3"])
    assert made == ["open", "fsync", "replace", "open", "fsync"]
    assert (tmp_path / "a").read_bytes() == b"123"
    assert names(tmp_path) == ["a"]


def test_mode_follows_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", [b""])
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_previous(tmp_path: Path) -> None:
    file, previous = tmp_path / "a", tmp_path / "b"
    for text in (b"1", b"2", b"3"):
        replace_file(file, [text], previous)
    assert (file.read_bytes(), previous.read_bytes()) == (b"3", b"2")
    assert names(tmp_path) == ["a", "b"]


def test_previous_is_already_a_link_to_the_file(tmp_path: Path) -> None:
    """As a process leaves it that is killed between the two renames."""
    file, previous = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"1")
    previous.hardlink_to(file)
    replace_file(file, [b"2"], previous)
    assert (file.read_bytes(), previous.read_bytes()) == (b"2", b"1")
    assert names(tmp_path) == ["a", "b"]


def test_previous_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    test_previous(tmp_path)


def overwrite(folder: Path, at: int, error: BaseException, forever: bool) -> tuple[bool, bool]:
    """Replace a file while a call fails; returns whether it was replaced, and whether the call was made at all.

    The newest file must then be the old one, or the new one.
    """
    file, previous = folder / "a", folder / "b"
    for path in folder.iterdir():
        path.unlink()
    file.write_bytes(b"old")
    previous.write_bytes(b"older")
    replaced = False
    with failing(at, error, forever) as made, suppress(IOFailure, Death):
        replace_file(file, [b"new"], previous)
        replaced = True
    newest = file if file.exists() else previous
    assert newest.read_bytes() in ([b"new"] if replaced else [b"old", b"new"])
    return replaced, at < len(made)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_every_call_fails_once(tmp_path: Path, code: int) -> None:
    outcomes = []
    for at in range(100):
        replaced, failed = overwrite(tmp_path, at, OSError(code, os.strerror(code)), forever=False)
        if not failed:
            break
        outcomes.append(replaced)
        left = set(names(tmp_path)) - {"a", "b"}
        assert not left or at == 4  # the call that removes the spare link
    # open, fsync, link, replace, unlink, replace, open, fsync: the three in the middle have another way out.
    assert outcomes == [False, False, True, True, True, False, False, False]


def test_the_message_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        replace_file(tmp_path / "nowhere" / "a", [b"new"])
    assert str(caught.value) == f"{tmp_path / 'nowhere' / 'a'}: cannot be written: No such file or directory"


def test_death_at_every_call(tmp_path: Path) -> None:
    deaths = 0
    while overwrite(tmp_path, deaths, Death(), forever=True)[1]:
        assert (tmp_path / "a").exists()
        deaths += 1
    assert deaths == 8


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_read_only_folder(tmp_path: Path, code: int) -> None:
    with failing(0, OSError(code, os.strerror(code))), pytest.raises(OutputError, match=os.strerror(code)):
        replace_file(tmp_path / "a", [b"1"])
    assert names(tmp_path) == []


def test_temporary_file_of_another_writer_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / f".a.{os.getpid()}.tmp"
    other.write_bytes(b"other")
    with pytest.raises(OutputError, match=rf"{other.name}: cannot be written: File exists"):
        replace_file(tmp_path / "a", [b"1"])
    assert other.read_bytes() == b"other"


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file or directory"):
        replace_file(tmp_path / "missing" / "a", [b"1"])


def test_error_in_the_contents(tmp_path: Path) -> None:
    def contents() -> Iterator[bytes]:
        yield b"1"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(tmp_path / "a", contents())
    assert names(tmp_path) == []


def test_disk_full_at_any_byte(tmp_path: Path) -> None:
    """A limit on the size of files makes a write fail at a chosen byte."""
    script = """
import pathlib, resource, sys
from cnncli.errors import IOFailure
from cnncli.files import replace_file
file = pathlib.Path(sys.argv[1])
chunks = [b"x" * 10, b"y" * 100_000, b"z" * 10]
for limit in [*range(21), 8192, 65536, 100_000, 100_019]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        replace_file(file, chunks)
        sys.exit(f"no error at {limit}")
    except IOFailure as error:
        assert error.exit_code == 74
    assert [path.name for path in file.parent.iterdir()] == ["a"]
    assert file.read_bytes() == b"old"
resource.setrlimit(resource.RLIMIT_FSIZE, (100_020, resource.RLIM_INFINITY))
replace_file(file, chunks)
"""
    (tmp_path / "a").write_bytes(b"old")
    subprocess.run([sys.executable, "-P", "-c", script, tmp_path / "a"], check=True, timeout=60)
    assert (tmp_path / "a").stat().st_size == 100_020
