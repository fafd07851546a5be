"""Writers of small data sets for the tests of the formats."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    """Random pixels over the whole range of an integer type."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def idx_bytes(array: np.ndarray, code: int = 0x08) -> bytes:
    return bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_mnist(
    folder: Path, images: np.ndarray, labels: np.ndarray, part: str = "train", packed: bool = False
) -> Path:
    """Write a pair of IDX files with MNIST's names; returns the path of the images."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, rank, array in (("images", 3, images), ("labels", 1, labels)):
        content = idx_bytes(array.astype(np.uint8))
        path = folder / f"{part}-{kind}-idx{rank}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return folder / f"{part}-images-idx3-ubyte{'.gz' if packed else ''}"


def image_bytes(array: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_image(path: Path, array: np.ndarray | Image.Image, kind: str = "PNG", **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_bytes(array, kind, **options))
    return path


def write_classes(root: Path, classes: dict[str, int], size: tuple[int, int] = (6, 5)) -> Path:
    """Write `classes` = name: number of images as class folders of grey PNGs called 1.png, 2.png, ..."""
    for seed, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            write_image(root / name / f"{i + 1}.png", pixels(*size, seed=100 * seed + i))
    return root
