"""The group of commands: what is found, what is said about mistakes, and every exit code."""

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import Cnn, start

from cnncli import __version__, _fast, cli, registry
from cnncli.model import Model
from cnncli.runs import RunFolder
from cnncli.training import Trainer

COMMANDS = registry.names("commands")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = CliRunner().invoke(cli.cnn, [name, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: cnn {name} ")
    assert len(done.output.splitlines()) > 5


def test_the_group_lists_every_command() -> None:
    done = CliRunner().invoke(cli.cnn, ["--help"])
    assert done.exit_code == 0
    assert all(f"\n  {name} " in done.output for name in COMMANDS)
    assert set(COMMANDS) >= {"train", "eval", "predict", "gradcheck", "summary", "bench", "info"}


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_version_tells_the_kernels(cnn: Cnn, flag: str) -> None:
    assert cnn(flag).out == f"cnn {__version__} (kernels: {_fast.variant()})\n"


def test_help_says_nothing_of_modules_that_are_no_commands() -> None:
    assert not any(name.startswith("_") for name in COMMANDS)


def imported(*args: str) -> set[str]:
    """The modules that a command imports."""
    done = start(*args, script="import atexit; atexit.register(lambda: print('modules', *sys.modules))")
    out, _ = done.communicate()
    assert done.returncode == 0
    return set(out.splitlines()[-1].split())


def test_help_imports_little() -> None:
    assert not {"numpy", "PIL", "yaml", "tqdm"} & imported("--help")


def test_predict_imports_little(trained: Path, digits: Path) -> None:
    """One image in a fifth of a second leaves no time for what is not used."""
    assert not {"yaml", "tqdm", "cnncli.training"} & imported("predict", "digits/0/0.png")


# --- exit codes, one by one


def test_0_done(cnn: Cnn) -> None:
    assert cnn("info").code == 0


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["trian"], "there is no command 'trian'; did you mean 'train'?"),
        (["train"], "Missing argument 'CONFIG'"),
        (["train", "tiny.yaml", "--threads", "1000", "train.epoch=3"], "warning: --threads 1000 on "),
        (["train", "tiny.yaml", "--resum"], "--resume"),
        (["train", "tiny.yaml", "train.epoch=3"], "train.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        (["train", "tiny.yaml", "--max-time", "soon"], "'soon' is no time; write it like 3h55m"),
        (["train", "tiny.yaml", "--threads", "0"], "--threads"),
        (["train", "tiny.yaml", "--threads", "99999999999"], "--threads"),
        (["train", "tiny.yaml", "train.batch_size=1000000000000"], "GB that may be used"),
        (["summary", "tiny.yaml", "model.4.out_features=4"], "the network has 4 outputs, the data has 3 classes"),
    ],
)
def test_2_usage_and_config(cnn: Cnn, folder: Path, args: list[str], text: str) -> None:
    done = cnn(*args)
    assert (done.code, done.out) == (2, "")
    assert text in done.err
    assert "Traceback" not in done.err
    assert not (folder / "runs").exists()


def test_2_kernels_that_are_not_there(folder: Path) -> None:
    done = start("info", script="import os; os.environ['CNN_KERNELS'] = 'mmx'")
    _, err = done.communicate()
    assert done.returncode == 2
    assert err.startswith("error: CNN_KERNELS=mmx: ")


def test_2_reports_every_problem_with_its_place(cnn: Cnn, folder: Path) -> None:
    (folder / "bad.yaml").write_text("model:\n  - conv2d: {out_chanels: 6}\n  - relo\ntrain: {epochs: -1}\n")
    done = cnn("train", "bad.yaml")
    assert done.code == 2
    lines = done.err.splitlines()
    assert len(lines) >= 4
    assert all(line.startswith("error: bad.yaml:") for line in lines)


@pytest.mark.parametrize("size", ["[1000000,1000000]", "[30000000,30000000]"])
def test_65_a_size_that_no_memory_holds(cnn: Cnn, folder: Path, size: str) -> None:
    done = cnn("train", "tiny.yaml", "data.image.channels=1", f"data.image.size={size}")
    assert done.code == 65
    assert "GB may be used" in done.err
    assert not (folder / "runs").exists()


def test_65_bad_data(cnn: Cnn, folder: Path) -> None:
    (folder / "data/train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    done = cnn("train", "tiny.yaml")
    assert done.code == 65
    assert "truncated" in done.err
    assert not (folder / "runs").exists()


def test_65_bad_checkpoint(cnn: Cnn, folder: Path) -> None:
    (folder / "bad.npz").write_bytes(b"PK\3\4 and no more")
    done = cnn("eval", "bad.npz")
    assert done.code == 65
    assert done.err.startswith("error: bad.npz: ")


@pytest.mark.parametrize(
    "args", [["train", "no.yaml"], ["eval", "no.npz"], ["eval"], ["train", "tiny.yaml", "data.train=no"]]
)
def test_66_missing(cnn: Cnn, folder: Path, args: list[str]) -> None:
    assert cnn(*args).code == 66
    assert not (folder / "runs").exists()


def test_2_memory_that_does_not_suffice_for_a_library(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise ImportError("x.so: failed to map segment from shared object", name="x")

    monkeypatch.setattr("cnncli.spec.load", full)
    done = cnn("train", "tiny.yaml")
    assert done.code == 2
    assert done.err.startswith("error: not enough memory for this (x.so: failed to map segment")


def test_70_our_bug(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(Model, "load", broken)
    done = cnn("eval")
    assert (done.code, done.out) == (70, "")
    first, second = done.err.splitlines()
    assert first == "error: RuntimeError: boom; this is a bug in cnncli, not a mistake of yours"
    assert second.startswith("please report it")
    monkeypatch.setenv("CNN_TRACEBACK", "1")
    done = cnn("eval")
    assert done.code == 70
    assert done.err.startswith("Traceback (most recent call last):")
    assert done.err.rstrip().endswith("RuntimeError: boom")


def test_73_cannot_create_output(cnn: Cnn, folder: Path) -> None:
    (folder / "taken").mkdir()
    (folder / "taken/thesis.txt").write_text("years of work")
    done = cnn("train", "tiny.yaml", "--run", "taken")
    assert done.code == 73
    assert "exists and is not empty; add --resume" in done.err
    assert cnn("train", "tiny.yaml", "--run", "tiny.yaml/run").code == 73
    assert (folder / "taken/thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("args", [["info"], ["info", "--json"], ["--help"], ["--version"]])
def test_74_stdout_full(args: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = start(*args, stdout=full)
        _, err = done.communicate()
    assert (done.returncode, err) == (74, f"error: standard output: cannot be written: {os.strerror(errno.ENOSPC)}\n")


def test_75_stopped_by_a_signal(folder: Path) -> None:
    done = start("train", "tiny.yaml", "train.epochs=100000", "--threads", "1")
    assert done.stderr is not None
    while not done.stderr.readline().startswith("epoch"):
        assert done.poll() is None
    done.send_signal(signal.SIGTERM)
    _, err = done.communicate()
    assert done.returncode == 75
    told, how = err.splitlines()[-2:]
    assert told.startswith("stopped by SIGTERM in epoch ")
    assert how == "go on with: cnn train tiny.yaml train.epochs=100000 --run runs/tiny --resume --threads 1"
    assert (folder / "runs/tiny/last.npz").exists()


def test_75_stopped_by_max_time(cnn: Cnn, folder: Path) -> None:
    done = cnn("train", "tiny.yaml", "--max-time", "0s")
    assert (done.code, done.out) == (75, "")
    assert "stopped by --max-time in epoch 1, step 1; saved in runs/tiny/last.npz\n" in done.err
    assert cnn("train", "tiny.yaml", "--resume").code == 0


def test_76_diverged(cnn: Cnn) -> None:
    done = cnn("train", "tiny.yaml", "optimizer.sgd.lr=1e6", "train.epochs=50")
    assert done.code == 76
    assert "training diverged" in done.err
    assert "runs/tiny keeps " in done.err


def test_77_in_use(cnn: Cnn, trained: Path) -> None:
    with RunFolder.open(trained):
        done = cnn("train", "tiny.yaml", "--resume", "train.epochs=9")
    assert done.code == 77
    assert "in use by process" in done.err


def test_130_second_interrupt(folder: Path) -> None:
    script = """
import os, signal
from cnncli.training import Trainer
Trainer._step = lambda self, *order: [os.kill(os.getpid(), signal.SIGINT) for _ in range(2)]
"""
    done = start("train", "tiny.yaml", script=script)
    _, err = done.communicate()
    assert done.returncode == 130
    assert "Traceback" not in err


def test_130_interrupt_where_nothing_is_to_be_saved(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "load", interrupted)
    assert cnn("eval") == (130, "", "interrupted\n")


def test_a_reader_that_leaves_is_no_error(trained: Path, digits: Path) -> None:
    paths = [str(path) for path in digits.rglob("*.png")] * 200
    done = start("predict", "--checkpoint", str(trained), *paths)
    assert done.stdout is not None
    assert done.stderr is not None
    done.stdout.readline()
    done.stdout.close()
    assert (done.wait(), done.stderr.read()) == (0, "")
    done.stderr.close()


def test_nobody_reading_stderr_does_not_stop_a_training(folder: Path) -> None:
    with start("train", "tiny.yaml", stderr=subprocess.PIPE) as done:
        assert done.stderr is not None
        done.stderr.close()
        assert done.wait() == 0
        assert done.stdout is not None
        assert done.stdout.read().startswith("test accuracy")


def test_nobody_reading_stderr_changes_no_exit_code() -> None:
    with start("train", "none.yaml", stderr=subprocess.PIPE) as done:
        assert done.stderr is not None
        done.stderr.close()
        assert done.wait() == 66


def test_errors_in_the_middle_of_training_are_bugs_too(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("shape")

    monkeypatch.setattr(Trainer, "_step", broken)
    assert cnn("train", "tiny.yaml").code == 70
