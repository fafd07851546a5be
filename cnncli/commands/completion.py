"""``cnn completion``."""

from __future__ import annotations

import click

from cnncli.commands._console import result

VARIABLE = "_CNN_COMPLETE"  # by which the shell asks for completions; `cnncli.cli` answers
# Click's scripts put a space behind everything; behind KEY= and FOLDER/ none is wanted (fish knows that by itself).
_NO_SPACE = {
    "bash": (
        "\n    return 0\n",
        "\n    [[ ${#COMPREPLY[@]} -eq 1 && $COMPREPLY == *[=/] ]] && compopt -o nospace\n    return 0\n",
    ),
    "zsh": ("compadd -U -V", "compadd -U -S '' -V"),
    "fish": ("", ""),
}


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands, options, configs and the keys of KEY=VALUE.

    \b
    eval "$(cnn completion bash)"    in ~/.bashrc
    eval "$(cnn completion zsh)"     in ~/.zshrc
    cnn completion fish | source     in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    source = kind(context.find_root().command, {}, "cnn", VARIABLE).source()
    result(source.replace(*_NO_SPACE[shell]))
