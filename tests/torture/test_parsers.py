"""Whatever is read from outside: random changes of every kind of file, and bombs."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import sys
import tarfile
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
NET = b"model: [{linear: {out_features: 9}}]\n"
SIZED = b"data: {image: {size: [28, 28], channels: 1}, classes: 9}\n"


def _chunked(kind: bytes, data: bytes) -> bytes:
    """A small picture with one more chunk, which is long once it is unpacked."""
    packed = b"name\0\0" + zlib.compress(data, 9)
    chunk = struct.pack(">I", len(packed)) + kind + packed + struct.pack(">I", zlib.crc32(kind + packed))
    picture = _png(16, 16)
    return picture[:33] + chunk + picture[33:50]  # and cut off


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", min(len(text), 65535)) + text + data


def _array(shape: str, dtype: str = "|u1", data: bytes = b"") -> bytes:
    return _npy(f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}\n", data)


def _tar(kind: bytes, name: str = "train/a/1.png", size: int = 0, link: str = "") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for label in "ab":
            member = tarfile.TarInfo(name.replace("/a/", f"/{label}/"))
            member.type, member.size, member.linkname = kind, size, link
            archive.addfile(member)
    return file.getvalue()


def _idx(*numbers: int, data: bytes = b"") -> bytes:
    return gzip.compress(struct.pack(f">{len(numbers)}I", *numbers) + data)


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
    "anchors.yaml": lambda: b"".join(b"a%d: &a%d {b: 1}\n" % (i, i) for i in range(60_000)),
    "keys.yaml": lambda: SIZED + NET + b"".join(b"k%d: 1\n" % i for i in range(90_000)),
    "circle.yaml": lambda: b"model: &a [*a]\n",
    "tag.yaml": lambda: b"model: !!python/object/apply:os.system ['echo broken in']\n",
    "binary.yaml": lambda: bytes(range(256)) * 3000,
    "utf16.yaml": lambda: NET.decode().encode("utf-16"),
    "nul.yaml": lambda: NET + b"\0",
    "date.yaml": lambda: SIZED + NET + b"train: 2024-99-99\n",
    "nan.yaml": lambda: SIZED + NET + b"optimizer: {sgd: {lr: .nan}}\n",
    "infinite.yaml": lambda: SIZED + NET + b"optimizer: {sgd: {lr: .inf}}\n",
    "name.yaml": lambda: SIZED + b"model: [{linear: {out_features: 9}, name: " + b"n" * 900_000 + b"}]\n",
    "maps.yaml": lambda: SIZED + b"model: [{conv2d: {out_channels: 1" + b"0" * 18 + b", kernel_size: 3}}]\n",
    "padding.yaml": lambda: SIZED + b"model: [{conv2d: {out_channels: 9, kernel_size: 3, padding: 1000000000000}}]\n",
    "kernel.yaml": lambda: SIZED + b"model: [{max_pool2d: {kernel_size: 1000000000}}]\n",
    "nested.yaml": lambda: (
        SIZED + b"blocks: {a: {layers: [{relu: , repeat: 9999}]}, b: {layers: [{a: , repeat: 9999}]}}\n"
        b"model: [{b: , repeat: 9999}]\n"
    ),
    "product.yaml": lambda: (
        SIZED + b"blocks: {a: {arguments: {n: 9}, layers: [{linear: {out_features: $n" + b" * $n" * 60 + b"}}]}}\n"
        b"model: [a]\n"
    ),
    "text.yaml": lambda: b"x" * 900_000,
    "list.yaml": lambda: b"- relu\n" * 30_000,
    "words.png": lambda: _chunked(b"zTXt", ZEROS),
    "colours.png": lambda: _chunked(b"iCCP", ZEROS),
    "page.png": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='999999' height='999999'/>",
    "huge.gif": lambda: b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
    "huge.bmp": lambda: (
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 1, 1, 0, 0)
    ),
    "huge.ppm": lambda: b"P6 99999 99999 255\n" + bytes(1000),
    "huge.jpg": lambda: b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00\xff\xda" + bytes(1000),
    "link.tar": lambda: _tar(tarfile.SYMTYPE, link="/etc/passwd"),
    "hard.tar": lambda: _tar(tarfile.LNKTYPE, link="../../etc/passwd"),
    "device.tar": lambda: _tar(tarfile.CHRTYPE),
    "pipe.tar": lambda: _tar(tarfile.FIFOTYPE),
    "outside.tar": lambda: _tar(tarfile.REGTYPE, name="../../train/a/1.png"),
    "size.tar": lambda: _tar(tarfile.REGTYPE, size=8**11 - 1),
    "names.tar": lambda: _tar(tarfile.REGTYPE, name="train/a/" + "n" * 500_000 + ".png"),
    "zeros.tar.gz": lambda: gzip.compress(ZEROS),
    "inner.zip": lambda: _zip({"train/a/1.png": _zip({"1.png": ZEROS}), "train/b/1.png": _zip({"1.png": ZEROS})}),
    "digits.zip": lambda: _zip({f"train/{c}/{'9' * 9000}.png": b"x" for c in "ab"}),
    "deep.zip": lambda: _zip({f"train/{c}/" + "d/" * 20_000 + "1.png": b"x" for c in "ab"}),
    "shape.npz": lambda: _zip({"images.npy": _array("(1000000000000000000, 9, 9)"), "labels.npy": _array("(9,)")}),
    "negative.npz": lambda: _zip({"images.npy": _array("(-9, 9, 9)"), "labels.npy": _array("(-9,)")}),
    "objects.npz": lambda: _zip({"images.npy": _array("(9,)", "|O"), "labels.npy": _array("(9,)", "|O")}),
    "code.npz": lambda: _zip({"images.npy": _npy("__import__('os').abort()"), "labels.npy": _npy("exit()")}),
    "header.npz": lambda: _zip({"images.npy": _npy("(" * 65_000), "labels.npy": _npy("9" * 65_000)}),
    "quote.csv": lambda: b'path,label\n"' + b"x,\n" * 2_000_000,
    "labels.csv": lambda: b"path,label\n" + b"".join(b"%d.png,%d\n" % (i, i) for i in range(100_000)),
    "numbers.csv": lambda: b"path,label\n1.png," + b"9" * 100_000 + b"\n",
    "nul.csv": lambda: b"path,label\n\0.png,1\n\0\0.png,2\n",
    "huge.png": lambda: _png(100_000, 100_000),
    "wide.png": lambda: _png(30_000, 4_000),
    "many.npz": lambda: _zip({f"a{i}.npy": b"" for i in range(60_000)}),
    "zeros.npz": lambda: _zip({"images.npy": ZEROS, "labels.npy": ZEROS}),
    "zeros.zip": lambda: _zip({"train/a/1.png": ZEROS, "train/b/1.png": ZEROS}),
    "outside.zip": lambda: _zip({"../../a/1.png": b"x", "/etc/b/1.png": b"x"}),
    "idx/images": lambda: _idx(0x803, 60_000, 2000, 2000, data=ZEROS),
    "idx/huge": lambda: _idx(0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1),
    "idx/rank": lambda: _idx(0x8FF, *[2] * 255),
    "idx/type": lambda: _idx(0xE03, 60_000, 28, 28, data=bytes(1000)),
    "idx/longer": lambda: _idx(0x803, 60_000, 1, 1, data=ZEROS),
    "list.csv": lambda: b"path,label\n" + b"x" * 5_000_000 + b",1\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, tmp_path: Path, tried: Note) -> None:
    """At most 2 s and 300 MB above what the program needs; one line, and the exit code of bad config or data."""
    path = tmp_path / (name if "idx/" not in name else "idx/train-images-idx3-ubyte.gz")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(BOMBS[name]())
    if name.startswith("idx/"):
        labels = struct.pack(">II", 0x801, 60_000) + bytes(60_000)
        (path.parent / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
        path = path.parent
    if path.suffix == ".yaml":
        arguments = ["bench" if name in ("wide.yaml", "maps.yaml", "padding.yaml") else "summary", str(path)]
    elif path.suffix in (".png", ".gif", ".bmp", ".ppm", ".jpg"):
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


def run(arguments: list[str], seconds: float, before: str = "") -> tuple[int, str, float]:
    """Run ``cnn``, after lines of Python, with 300 MB more than NumPy and its threads map."""
    lines = [
        "import resource, sys, numpy",
        "from cnncli import cli",
        "from cnncli.datasets import _images",
        "mapped = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()",
        "resource.setrlimit(resource.RLIMIT_AS, (mapped + 300_000_000, -1))",
        before,
        f"sys.argv[1:] = {arguments!r}",
        "cli.main()",
    ]
    began, command = time.monotonic(), [sys.executable, "-P", "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    return done.returncode, done.stderr, time.monotonic() - began
