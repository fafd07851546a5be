"""Images on the disk that are mapped into memory, also more of them than fit there.

Left to itself, the system reads megabytes around each page that is wanted. In the random order of training they are
wanted again only when other pages have taken their place: measured, 70 times what was needed. So where the memory is
not large enough it is told not to, and to read the images of a batch, all at once, before they are used.
"""

from __future__ import annotations

import mmap
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cnncli import runtime

SHARE = 0.5  # of the memory: an array smaller than that will soon be in it


def open_mapped(path: Path) -> np.ndarray:
    """A ``.npy`` file, read-only; raises what `numpy.load` does."""
    images: Any = np.load(path, mmap_mode="r")
    if _large(images):
        images._mmap.madvise(mmap.MADV_RANDOM)
    return images


def fetch(images: np.ndarray, indices: np.ndarray) -> None:
    """Let the system begin to read some of the images, where they are on the disk and more than memory is good for."""
    if not (isinstance(images, np.memmap) and _large(images) and len(indices)):
        return
    mapped: Any = images
    size = images.strides[0]
    start = images.ctypes.data - np.frombuffer(mapped._mmap, np.uint8).ctypes.data
    wanted = np.sort(indices)
    for run in np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1):  # images that follow each other
        begin, end = start + int(run[0]) * size, start + (int(run[-1]) + 1) * size
        page = begin - begin % mmap.PAGESIZE
        mapped._mmap.madvise(mmap.MADV_WILLNEED, page, end - page)


def _large(images: np.ndarray) -> bool:
    return images.nbytes > SHARE * _memory()


@cache
def _memory() -> int:
    return runtime.memory()
