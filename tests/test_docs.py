"""What is written for users agrees with the program."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cnncli import registry, spec
from cnncli.cli import cnn, run

ROOT = Path(__file__).parents[1]
COMMANDS = registry.names("commands")


def _command(name: str) -> click.Command:
    command = cnn.get_command(click.Context(cnn), name)
    assert isinstance(command, click.Command)
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: cnn {name}")
    command = _command(name)
    assert command.help
    assert command.help.split("\n\n")[0].rstrip().endswith("."), "the first paragraph is a sentence"
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{name} {parameter.opts[0]} has no help"
            assert parameter.opts[-1] in out


def test_the_program_lists_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        line = re.search(rf"^  {name} +(.+)$", out, re.MULTILINE)
        assert line, f"{name} is not listed"


def test_the_config_reference_is_up_to_date() -> None:
    source = importlib.util.spec_from_file_location("make", ROOT / "docs" / "make_config_reference.py")
    assert source is not None
    assert source.loader is not None
    make = importlib.util.module_from_spec(source)
    source.loader.exec_module(make)
    written = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert written == make.reference(), "run python docs/make_config_reference.py"


def _pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "data").glob("*.md")])


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", _pages(), ids=lambda page: page.name)
def test_commands_that_are_shown_exist(page: Path) -> None:
    """Names and options after ``cnn`` in blocks of code, and configs of this repository."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```(?:sh|bash|console|text)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(r"\s*(?:\$ )?cnn ([a-z]\w*)\b(.*)", line)
            if not match:
                continue
            assert match[1] in COMMANDS, f"{page.name}: {line}"
            known = {name for p in _command(match[1]).params for name in (*p.opts, *p.secondary_opts)}
            for option in re.findall(r"(?<=\s)--[a-z][\w-]*", match[2].partition("#")[0]):
                assert option in known | {"--help"}, f"{page.name}: {line}"
            for config in re.findall(r"(?<=\s)configs/[\w.-]+\.yaml", line):
                assert (ROOT / config).exists(), f"{page.name}: {line}"


LECTURE = (ROOT / "docs" / "lecture.md").read_text(encoding="utf-8")
QUICK = ("filter", "summary", "gradcheck", "diagnose", "show receptive-field", "docs/experiments/example.py")
ROUNDED = ("gradcheck", "diagnose")  # float32, or the noise of float64: other kernels, other last digits


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", LECTURE, re.DOTALL | re.MULTILINE)


def _commands() -> Iterator[str]:
    """Every command of docs/lecture.md, whether its output is shown or not."""
    for block in _blocks("text"):
        yield from (line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ "))
    for block in _blocks("sh"):
        yield from block.splitlines()
    yield from re.findall(r"`(cnn [^`\n]+)`", LECTURE)


def _shown() -> dict[str, str]:
    """Commands that take a second at most, with the output that docs/lecture.md shows."""
    pairs = (block.partition("\n") for block in _blocks("text"))
    return {command.removeprefix("$ "): out for command, _, out in pairs if any(word in command for word in QUICK)}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command sees of the repository, in a folder that it may write to."""
    for name in ("configs", "data", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("line", _shown())
def test_the_lecture_shows_what_is_printed(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    program, *args = shlex.split(line)
    if program == "python":
        done = subprocess.run([sys.executable, *args], capture_output=True, text=True, check=True)
        out = done.stdout
    else:
        assert run(args) == 0
        out = capsys.readouterr().out
    wanted = _shown()[line]
    if args[0] in ROUNDED:
        out, wanted = (re.sub(r"[\d.]+(e-\d+)?", "0", text) for text in (out, wanted))
    assert out.split() == wanted.split()


@pytest.mark.parametrize("line", sorted({line for line in _commands() if line.startswith("cnn ")}))
def test_the_lecture_s_commands_are_understood(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, options and configs with their overrides; nothing is run."""
    monkeypatch.chdir(ROOT)
    _, name, *args = shlex.split(line)
    command, context = _command(name), click.Context(cnn)
    if isinstance(command, click.Group):
        (name, *args), group = args, command
        found = group.get_command(context, name)
        assert found is not None, line
        command = found
    parsed = command.make_context(name, list(args), parent=context).params if args else {}
    if str(parsed.get("config", "")).endswith(".yaml"):
        spec.load(parsed["config"], parsed.get("overrides", ()))


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_the_lecture_s_lines_are_config(block: str, tmp_path: Path) -> None:
    model = block.startswith("-")
    (tmp_path / "lines.yaml").write_text(
        f"model:\n{block}" if model else f"model: [linear: {{out_features: 2}}]\n{block}"
    )
    assert spec.load(str(tmp_path / "lines.yaml"))


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "experiments").glob("*.py")), ids=lambda path: path.stem)
def test_experiments_say_how_they_are_run(path: Path) -> None:
    if path.stem != "common":
        assert f"python docs/experiments/{path.name}" in path.read_text(encoding="utf-8")
        subprocess.run([sys.executable, path, "--help"], capture_output=True, check=True)
