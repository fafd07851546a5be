"""The command ``cnn``: finds its commands by the names of files, and turns errors into lines and exit codes."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import click

from cnncli import __version__, launch, process_group, registry
from cnncli.commands._console import note
from cnncli.commands.completion import VARIABLE
from cnncli.errors import CnnError, IOFailure, SpecError
from cnncli.signals import INTERRUPTED

BUG = 70
DIVIDED = ("train", "eval", "predict")  # commands that several processes share
TRACEBACK = "CNN_TRACEBACK"  # environment variable: show where an unexpected error happened


class Commands(click.Group):
    """Every module of `cnncli.commands` is a command; only the one that is asked for is imported."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(registry.names("commands"))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in registry.names("commands"):
            return None
        command: click.Command = importlib.import_module(f"cnncli.commands.{name}").command
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        names = self.list_commands(context)
        if args[0] not in names and not args[0].startswith("-"):
            context.fail(f"there is no command {args[0]!r}; {registry.suggest(args[0], names)}")
        return super().resolve_command(context, args)


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from cnncli import _fast

        click.echo(f"cnn {__version__} (kernels: {_fast.variant()})")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-v", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version,
    help="Show the version and the kernels in use, and exit.",
)  # fmt: skip
@click.pass_context
def cnn(context: click.Context) -> None:
    """Train convolutional networks on ordinary computers, and use them.

    Begin with `cnn train CONFIG`, then `cnn predict IMAGE...`.
    """
    asked = context.invoked_subcommand
    if launch.join().size > 1 and asked not in DIVIDED:
        context.fail(f"{asked} needs no mpiexec: only {', '.join(DIVIDED[:-1])} and {DIVIDED[-1]} divide their work")


def main() -> None:
    """The entry point of the installed command."""
    if VARIABLE in os.environ:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(cnn, {}, "cnn", VARIABLE, os.environ[VARIABLE]))
    code = run(sys.argv[1:])
    try:
        if sys.stderr:
            sys.stderr.flush()
    except OSError:  # nobody reads it: no reason for another exit code
        _abandon(sys.stderr)
    sys.exit(code)


def run(args: Sequence[str]) -> int:
    """Run a command line and return its exit code; whatever goes wrong is told on stderr."""
    for stream in (sys.stdout, sys.stderr):  # None where closed
        if hasattr(stream, "reconfigure"):  # names of files need not be text, nor the locale UTF-8
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    group = process_group.ALONE
    try:
        group = launch.join()
        with group.first_speaks(), cnn.make_context("cnn", list(args)) as context:
            cnn.invoke(context)
            if sys.stdout:
                sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, Exception) as error:
        if group.rank:
            group.wait_for_the_first()
            note(f"process {group.rank} of {group.size}:")
        code = _failed(error)
        group.abort(code)  # the others would wait for this one
        return code
    return 0


def _failed(error: BaseException) -> int:
    """Tell about an error and return the exit code for it."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # as `cnn predict ... | head` ends
        _abandon(sys.stdout)
        return 0
    if isinstance(error, KeyboardInterrupt):
        note("interrupted")
        return INTERRUPTED
    known = _as_known(error)
    if known is None:
        if os.environ.get(TRACEBACK):
            import traceback

            note("".join(traceback.format_exception(error)))
            return BUG
        note(f"error: {type(error).__name__}: {error}; this is a bug in cnncli, not a mistake of yours")
        note(f"please report it, with the command and what it prints when {TRACEBACK}=1 is set in the environment")
        return BUG
    for line in str(known).splitlines():
        note(f"error: {line}")
    return known.exit_code


def _as_known(error: BaseException) -> CnnError | None:
    """What an error is to the user; None for a bug."""
    if isinstance(error, CnnError):
        return error
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and "failed to map segment" in str(error)):
        advice = "a smaller network, smaller images or a smaller batch size needs less"
        return SpecError(f"not enough memory for this ({error or 'no details'}); {advice}")
    if isinstance(error, ImportError) and error.name is None:  # raised on purpose: kernels that are not there
        return SpecError(str(error))
    if launch.others_are_gone(error):
        return IOFailure("the other processes cannot be reached: one has ended; go on with --resume, on any number")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        _abandon(sys.stdout)
        return IOFailure(f"{error.filename or 'standard output'}: cannot be written: {error.strerror}")
    return None


def _abandon(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, since Python would try, and fail, to write it at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
