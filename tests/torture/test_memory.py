"""Commands in less and less memory: what does not fit is said in a line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import start
from counts import count
from test_saving import finished

# Python's own imports fail in other ways where there is no memory, so they come first
LIMIT = """
import importlib, pkgutil, resource, numpy, cnncli
from cnncli import _fast
for found in pkgutil.walk_packages(cnncli.__path__, "cnncli."):
    if found.name.split(".")[1] not in ("_fast", "interchange", "reporting", "__main__", "tensorboard"):
        importlib.import_module(found.name)
kernels = _fast.kernels("float32")
[getattr(kernels, name) for name in ("conv2d", "linear", "pack", "pool2d", "pointwise", "norm2d", "update", "loss")]
mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + {spare}, -1))
"""
COMMANDS = {
    "predict": ("predict", "--checkpoint", "trained", "--threads", "1", "image.png"),
    "eval": ("eval", "trained", "--data", "data.npz", "--threads", "1"),
    "train": ("train", "short.yaml", "train.epochs=1", "--threads", "1", "--run", "new"),
    "summary": ("summary", "short.yaml", "data.image={size: 6, channels: 1}", "data.classes=3"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_less_and_less_memory(name: str, folder: Path, tried: Callable[[str, int], None]) -> None:
    from PIL import Image

    Image.new("L", (6, 6)).save("image.png")
    finished(start("train", "short.yaml", "train.epochs=1", "--run", "trained"))
    codes, times = [], count("17") // len(COMMANDS)
    for number in range(times):
        spare = int(5e4 * 1.22**number)
        process = start(*COMMANDS[name], before=LIMIT.format(spare=spare))
        _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 2, 65, 73), (spare, err)
        assert "Traceback" not in err
        codes.append(process.returncode)
        if Path("new").exists():
            Path("new").rename(f"done{number}")
        tried("17", 1)
    assert codes[-1] == 0
    assert sys.platform != "linux" or codes[0] != 0 or name == "summary"
