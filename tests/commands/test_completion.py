"""Completion in a shell: the scripts, and what is offered."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CONFIG, Cnn, start

from cnncli import registry, yamlio
from cnncli.keys import keys


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    settings = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1), "_CNN_COMPLETE": "bash_complete"}
    done = start(script=f"import os; os.environ.update({settings!r})")
    out, err = done.communicate()
    assert err == ""
    return [line.partition(",")[2] for line in out.splitlines()]


def test_commands_and_options(folder: Path) -> None:
    assert set(offered("cnn", "")) == set(registry.names("commands"))
    assert offered("cnn", "summ") == ["summary"]
    assert "--resume" in offered("cnn", "train", "--")
    assert offered("cnn", "completion", "f") == ["fish"]


@pytest.mark.parametrize(
    "command", [("train",), ("check",), ("bench",), ("summary",), ("diagnose",), ("show", "augment")]
)
def test_configs_and_folders(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "other.txt").touch()
    (folder / ".hidden.yaml").touch()
    assert offered("cnn", *command, "") == ["data/", "tiny.yaml"]
    assert offered("cnn", *command, "ti") == ["tiny.yaml"]


def test_keys_of_the_config(folder: Path) -> None:
    assert offered("cnn", "train", "tiny.yaml", "model.conv2d_1.k") == ["model.conv2d_1.kernel_size="]
    assert offered("cnn", "train", "tiny.yaml", "train.ep") == ["train.epochs="]
    assert offered("cnn", "summary", "tiny.yaml", "data.image.") == [
        "data.image.size=",
        "data.image.channels=",
        "data.image.fit=",
    ]
    (folder / "tiny.yaml").rename(folder / "cnn.yaml")
    assert offered("cnn", "train", "cnn.yaml", "optimizer.sgd.n") == ["optimizer.sgd.nesterov="]


@pytest.mark.parametrize("text", ["model: [", "", "model: 3\noptimizer: [1]", "model: [relu, 3, {conv2d: }, {no: }]"])
def test_a_config_that_is_half_written(folder: Path, text: str) -> None:
    (folder / "tiny.yaml").write_text(text)
    assert offered("cnn", "train", "tiny.yaml", "train.s") == ["train.seed=", "train.save_every="]


def test_every_key_that_is_offered_can_be_set(cnn: Cnn) -> None:
    config = yamlio.parse(CONFIG, "tiny")[0]
    offers = dict(keys(config))
    assert all(offers.values())
    assert {"model.conv2d_1.out_channels", "model.linear_1.inputs", "optimizer.sgd.momentum"} <= offers.keys()
    for key in offers:
        assert "unknown key" not in cnn("summary", "tiny.yaml", f"{key}=1").err, key


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(cnn: Cnn, shell: str) -> None:
    done = cnn("completion", shell)
    assert done.code == 0
    assert f"{shell}_complete" in done.out
    assert {"bash": "compopt -o nospace", "zsh": "compadd -U -S '' -V", "fish": "complete"}[shell] in done.out


def test_in_bash(cnn: Cnn, folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin/cnn").write_text(f'#!/bin/sh\nexec {sys.executable} -m cnncli "$@"\n')
    (folder / "bin/cnn").chmod(0o755)
    (folder / "script").write_text(cnn("completion", "bash").out)
    lines = "source ./script; COMP_WORDS=(cnn train tiny.yaml model.linear); COMP_CWORD=3; _cnn_completion cnn; "
    env = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        ["bash", "-c", f'{lines} echo "${{COMPREPLY[0]}}"'], capture_output=True, text=True, env=env, check=True
    )
    assert done.stdout == "model.linear_1.out_features=\n"
