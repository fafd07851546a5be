"""Signals set a flag; a second Ctrl-C leaves with 130, after a save under way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cnncli.signals import STOP_SIGNALS, StopRequest, finishing


def run(body: str) -> subprocess.CompletedProcess[str]:
    """Run lines of Python in a process of their own, in which `interrupt()` is a Ctrl-C."""
    setup = """
import os, signal
from cnncli.signals import StopRequest, finishing
def interrupt(): os.kill(os.getpid(), signal.SIGINT)
"""
    return subprocess.run(
        [sys.executable, "-P", "-c", setup + body], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_sets_the_flag(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
        assert stop.signal is number
    assert signal.getsignal(number) is before


def test_the_first_signal_is_the_reason() -> None:
    with StopRequest() as stop:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
            os.kill(os.getpid(), number)
    assert stop.signal is signal.SIGTERM


def test_second_interrupt_leaves_at_once() -> None:
    done = run("""
with StopRequest():
    try:
        interrupt()
        print("once", flush=True)
        interrupt()
    finally:
        print("not reached")
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "once\n", "")


def test_second_interrupt_waits_for_a_save() -> None:
    done = run("""
@finishing()
def save():
    with finishing():
        interrupt()
        interrupt()
    print("finished", flush=True)
with StopRequest():
    save()
    print("not reached")
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "finished\n", "")


def test_second_interrupt_waits_for_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a"
    done = run(f"""
from pathlib import Path
from cnncli.files import replace_file
def chunks():
    yield b"1"
    interrupt()
    interrupt()
    yield b"2"
with StopRequest():
    replace_file(Path({str(file)!r}), chunks())
    print("not reached")
""")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert file.read_bytes() == b"12"
    assert list(tmp_path.iterdir()) == [file]


def test_finishing_lets_errors_pass() -> None:
    with pytest.raises(KeyError), finishing():
        raise KeyError
