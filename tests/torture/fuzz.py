"""Feeds files with random changes to one reader: ``python fuzz.py KIND SEED COUNT`` in a folder for the files.

Whatever a file holds, the reader takes it or raises CnnError, within two seconds and half a gigabyte. Prints how many
were tried, and the first bad ones, which stay in the folder.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import random
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from cnncli import checkpoint
from cnncli.datasets._images import decode_image, probe_image
from cnncli.datasets.base import open_data
from cnncli.errors import CnnError
from cnncli.spec import load

SECONDS, MEMORY = 2, 512 * 2**20
CONFIG = (Path(__file__).parents[2] / "configs" / "lenet5.yaml").read_bytes()
WORDS = [
    b"1e999", b"-1", b"[", b"{", b"&a ", b"*a", b"!!int ", b"<<: ", b"\t", b"...", b"---", b"%", b"null", b"? ",
    b"0x10", b"2024-99-99", b"'", b'"', b"\xff", b"conv2d", b"$x", b"repeat: 99", b"~", b"999999999999999999999",
    b": ", b"\n- ",
]  # fmt: skip


def changed(data: bytes, dice: random.Random, words: list[bytes] | None = None) -> bytes:
    """A copy in which something is other: bits, bytes, whole parts."""
    new = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 9))):
        place = dice.randrange(len(new) + 1)
        kind = dice.randrange(6)
        if kind == 0 and place < len(new):
            new[place] ^= 1 << dice.randrange(8)
        elif kind == 1 and place < len(new):
            new[place] = dice.randrange(256)
        elif kind == 2:
            del new[place : place + dice.choice((1, 4, 40, 4000))]
        elif kind == 3:
            new[place:place] = new[place : place + dice.choice((1, 4, 40))]
        elif kind == 4 and place + 4 <= len(new):
            new[place : place + 4] = struct.pack(dice.choice("<>") + "I", dice.choice((0, 1, 2**16, 2**31, 2**32 - 1)))
        else:
            new[place:place] = dice.choice(words or [b"\0\0\0\0", b"\xff\xff\xff\xff"])
        if not new:
            break
    return bytes(new)


def of_config(folder: Path, dice: random.Random) -> Callable[[], object]:
    path = folder / "c.yaml"
    path.write_bytes(changed(CONFIG, dice, WORDS))
    return lambda: load(str(path))


def of_checkpoint(folder: Path, dice: random.Random) -> Callable[[], object]:
    path = folder / "c.npz"
    if not (folder / "good").exists():
        arrays = {f"layer{i}.weight": np.full((i + 1, 3), i, np.float32) for i in range(6)}
        checkpoint.save(folder / "good", arrays, {"config": {"a": [1, 2]}})
    path.write_bytes(changed((folder / "good").read_bytes(), dice))
    return lambda: checkpoint.load(path)


def of_image(folder: Path, dice: random.Random) -> Callable[[], object]:
    kind = dice.choice(("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM"))
    file = io.BytesIO()
    pixels = np.random.default_rng(dice.randrange(9)).integers(0, 256, (9, 11, 3), np.uint8)
    Image.fromarray(pixels if dice.random() < 0.7 else pixels[..., 0]).save(file, kind)
    data = changed(file.getvalue(), dice)
    (folder / "image").write_bytes(data)
    return lambda: (probe_image(data), decode_image(folder / "image", (8, 8), dice.choice((1, 3))))


def of_data(folder: Path, dice: random.Random) -> Callable[[], object]:
    place = folder / "data"
    place.mkdir(exist_ok=True)
    for file in place.iterdir():
        file.unlink()
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (6, 5, 4), np.uint8), np.arange(6, dtype=np.uint8) % 3
    kind = dice.randrange(4)
    if kind == 0:
        images = struct.pack(">IIII", 0x803, 6, 5, 4) + pixels.tobytes()
        names = struct.pack(">II", 0x801, 6) + labels.tobytes()
        pack = gzip.compress if dice.random() < 0.5 else bytes
        suffix = ".gz" if pack is gzip.compress else ""
        which = dice.randrange(2)
        for i, (name, content) in enumerate((("images-idx3", images), ("labels-idx1", names))):
            early = dice.random() < 0.5  # before or after compression
            raw = changed(content, dice) if i == which and early else content
            packed = pack(raw)
            packed = changed(packed, dice) if i == which and not early else packed
            (place / f"train-{name}-ubyte{suffix}").write_bytes(packed)
        source = place
    elif kind == 1:
        records = b"".join(bytes([k]) + rng.bytes(3072) for k in (0, 1, 2))
        for name in ("data_batch_1.bin", "test_batch.bin"):
            (place / name).write_bytes(changed(records, dice) if dice.random() < 0.7 else records)
        source = place
    elif kind == 2:
        file = io.BytesIO()
        np.savez(file, images=pixels, labels=labels)
        source = place / "data.npz"
        source.write_bytes(changed(file.getvalue(), dice))
    else:
        Image.fromarray(pixels[0]).save(place / "a.png")
        source = place / "list.csv"
        source.write_bytes(
            changed(b'path,label,split\na.png,x,train\n"a.png",y,test\n', dice, [b",", b'"', b"\r", b"\0"])
        )

    def read() -> None:
        for part in open_data(source).parts.values():
            part.load(size=(5, 4), channels=1)

    return read


KINDS = {"11": of_config, "12": of_checkpoint, "13": of_image, "14": of_data}


def main() -> None:
    kind, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    faulthandler.enable()
    idle = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (idle + MEMORY, resource.RLIM_INFINITY))
    dice, folder = random.Random(seed), Path.cwd()
    for number in range(count):
        read = KINDS[kind](folder, dice)
        signal.alarm(SECONDS)  # whose default is to end the process, which says as much
        try:
            read()
        except CnnError as error:
            if "\x1b" in str(error):
                raise SystemExit(f"input {number} of seed {seed}: control characters in {error!s}") from None
        except Exception:
            traceback.print_exc()
            raise SystemExit(f"input {number} of seed {seed}: see {folder}") from None
        signal.alarm(0)
    print(count)


if __name__ == "__main__":
    main()
