"""Whatever is read from outside: random changes of every kind of file, and bombs."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from counts import count

Note = Callable[[str, int], None]
FUZZ = Path(__file__).parent / "fuzz.py"
SEEDS = 4  # processes for each row


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("row", ["11", "12", "13", "14"])
def test_random_changes(row: str, seed: int, tmp_path: Path, tried: Note) -> None:
    times = count(row) // SEEDS
    done = subprocess.run(
        [sys.executable, str(FUZZ), row, str(seed), str(times)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) == times
    tried(row, times)


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(1 + width // 8) * height, 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _zip(names: dict[str, bytes], **options: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, **options) as archive:  # type: ignore[arg-type]
        for name, data in names.items():
            archive.writestr(name, data)
    return file.getvalue()


MERGES = "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 9))
ALIASES = "".join(f"- &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
ZEROS = bytes(200_000_000)
BOMBS: dict[str, Callable[[], bytes]] = {
    "merge.yaml": lambda: f"a0: &a0 {{x: 1}}\n{MERGES}".encode(),
    "alias.yaml": lambda: f"model:\n- &l0 [relu]\n{ALIASES}".encode(),
    "deep.yaml": lambda: b"model: " + b"[" * 100_000,
    "flow.yaml": lambda: b"{a: " * 30_000,
    "digits.yaml": lambda: b"train: {epochs: " + b"9" * 500_000 + b"}\nmodel: [relu]",
    "float.yaml": lambda: b"optimizer: {sgd: {lr: 1" + b"0" * 400_000 + b".0}}\nmodel: [relu]",
    "long.yaml": lambda: b"#" * 3_000_000,
    "repeat.yaml": lambda: b"model:\n  - {relu: {}, repeat: 999999999}\n",
    "wide.yaml": lambda: (
        b"data: {image: {size: [1000000, 1000000], channels: 3}, classes: 9}\n"
        b"model: [{conv2d: {out_channels: 1000000, kernel_size: 9}}, {linear: {out_features: 9}}]"
    ),
    "blocks.yaml": lambda: (
        b"blocks:\n"
        + b"".join(b"  b%d: {layers: [b%d, b%d]}\n" % (i, i + 1, i + 1) for i in range(40))
        + b"  b40: {layers: [relu]}\nmodel: [b0]\n"
    ),
    "huge.png": lambda: _png(100_000, 100_000),
    "wide.png": lambda: _png(30_000, 4_000),
    "many.npz": lambda: _zip({f"a{i}.npy": b"" for i in range(60_000)}),
    "zeros.npz": lambda: _zip({"images.npy": ZEROS, "labels.npy": ZEROS}),
    "zeros.zip": lambda: _zip({"train/a/1.png": ZEROS, "train/b/1.png": ZEROS}),
    "outside.zip": lambda: _zip({"../../a/1.png": b"x", "/etc/b/1.png": b"x"}),
    "idx/train-images-idx3-ubyte.gz": lambda: gzip.compress(struct.pack(">IIII", 0x803, 60_000, 2000, 2000) + ZEROS),
    "list.csv": lambda: b"path,label\n" + b"x" * 5_000_000 + b",1\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, tmp_path: Path, tried: Note) -> None:
    """At most 2 s and 300 MB above what the program needs; one line, and the exit code of bad config or data."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(BOMBS[name]())
    if name.startswith("idx/"):
        labels = struct.pack(">II", 0x801, 60_000) + bytes(60_000)
        (path.parent / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        path = path.parent
    if path.suffix == ".yaml":
        arguments = ["bench" if name == "wide.yaml" else "summary", str(path)]
    elif path.suffix == ".png":
        np.savez(tmp_path / "d.npz", images=np.zeros((9, 4, 4), np.uint8), labels=np.arange(9) % 3)
        (tmp_path / "c.yaml").write_text(
            f"data: {{train: {tmp_path}/d.npz}}\nmodel: [{{linear: {{out_features: 3}}}}]\n"
        )
        made = [
            "train",
            str(tmp_path / "c.yaml"),
            "train.epochs=0",
            "train.report=false",
            "--run",
            str(tmp_path / "run"),
        ]
        assert run(made, 60.0)[0] == 0
        arguments = ["predict", "--checkpoint", str(tmp_path / "run"), str(path)]
    else:
        arguments = ["init", str(path), "-o", str(tmp_path / "made.yaml")]
    code, err, seconds = run(arguments, 2.0)
    assert code in (2, 65), err
    assert "Traceback" not in err
    assert len(err) < 3000
    assert seconds < 2 + 1.0  # of starting the program
    tried("15", 1)


def run(arguments: list[str], seconds: float) -> tuple[int, str, float]:
    """Run ``cnn`` with 300 MB more than NumPy and its threads map."""
    lines = [
        "import resource, sys, numpy",
        "from cnncli import cli",
        "from cnncli.datasets import _images",
        "mapped = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()",
        "resource.setrlimit(resource.RLIMIT_AS, (mapped + 300_000_000, -1))",
        f"sys.argv[1:] = {arguments!r}",
        "cli.main()",
    ]
    began, command = time.monotonic(), [sys.executable, "-P", "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    return done.returncode, done.stderr, time.monotonic() - began
