"""What is written for users agrees with the program."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest

from cnncli import registry
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
