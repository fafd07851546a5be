"""Memory: the only file that allocates. Sizes become aligned blocks, blocks become views.

Activations are [block, channel, row, column, lane] with 32 images side by side in the lanes (8 where a batch has at
most 8), see `cnncli._fast`. A map may carry a border that its readers want: it is filled once, since everybody writes
only inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnncli.layers.base import NO_FRAME, Frame, Param, Shape

ALIGNMENT = 64  # bytes of a cache line, and of the widest vector
WAY = 4096  # addresses this far apart compete for the same few places of the first-level cache


def lanes_for(batch_size: int) -> int:
    """Images that lie side by side for batches of at most this size."""
    return 8 if batch_size <= 8 else 32


def aligned(shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Zeros, C-contiguous, at an address divisible by 64."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def widest(frames: Iterable[Frame]) -> Frame:
    """The smallest frame that holds all of them."""
    columns = list(zip(*[NO_FRAME, *frames], strict=True))
    return (max(columns[0]), max(columns[1]), max(columns[2]), max(columns[3]))


class Maps:
    """One activation with the widest border that any reader wants.

    Parameters
    ----------
    shape : Shape
    blocks, lanes : int
    dtype : numpy dtype
    frame : Frame
    value : float
        What the border holds.
    """

    def __init__(self, shape: Shape, blocks: int, lanes: int, dtype: Any, frame: Frame, value: float = 0.0) -> None:
        channels, height, width = shape
        top, bottom, left, right = frame
        item = np.dtype(dtype).itemsize
        rows, columns = height + top + bottom, width + left + right
        channel = rows * columns * lanes
        if channels > 1 and channel * item % WAY == 0:
            channel += ALIGNMENT // item
        memory = aligned((blocks, channels * channel), dtype)
        row, pixel = columns * lanes, lanes
        strides = [step * item for step in (channels * channel, channel, row, pixel, 1)]
        self._all = np.lib.stride_tricks.as_strided(memory, (blocks, channels, rows, columns, lanes), strides)
        self._frame = frame
        if frame != NO_FRAME and value:
            self._all[...] = value
        self.inside = self.framed(NO_FRAME)
        if value:
            self.inside[...] = 0

    def framed(self, frame: Frame) -> np.ndarray:
        """View of the maps with as much of the border as `frame` says."""
        top, bottom, left, right = (have - want for have, want in zip(self._frame, frame, strict=True))
        rows, columns = self._all.shape[2:4]
        return self._all[:, :, top : rows - bottom, left : columns - right]


@dataclass(frozen=True)
class Segments:
    """Where the tensors of a network lie in one flat vector.

    Attributes
    ----------
    names : tuple of str
        ``<node>.<parameter>``.
    starts : tuple of int
    size : int
        Length of the vector.
    ends : ndarray of int64
        Where each segment (with its padding) ends.
    rates, decays : ndarray of float64
        Factors on learning rate and weight decay.
    """

    params: Mapping[str, Param]
    starts: tuple[int, ...]
    size: int
    ends: np.ndarray
    rates: np.ndarray
    decays: np.ndarray

    @classmethod
    def of(cls, params: Mapping[str, Param]) -> Segments:
        """Lay the tensors out one after another, each on a cache line of its own."""
        starts, ends, position = [], [], 0
        for param in params.values():
            starts.append(position)
            count = int(np.prod(param.shape, dtype=np.int64))
            position += -(-count // 16) * 16
            ends.append(position)
        return cls(
            params=params,
            starts=tuple(starts),
            size=position,
            ends=np.array(ends, np.int64),
            rates=np.array([param.rate for param in params.values()]),
            decays=np.array([float(param.decay) for param in params.values()]),
        )

    def final_from(self, nodes: Sequence[str]) -> list[int]:
        """After each node of a backward pass, from where on the gradients are final.

        A node may come several times, of which the last counts; its parameters lie behind those of nodes before it.
        """
        starts: dict[str, int] = {}
        for name, start in zip(self.params, self.starts, strict=True):
            starts.setdefault(name.rpartition(".")[0], start)
        last = {name: place for place, name in enumerate(nodes)}
        found = [self.size]
        for place, name in enumerate(nodes):
            found.append(starts.get(name, found[-1]) if last[name] == place else found[-1])
        return found[1:]

    def views(self, vector: np.ndarray) -> dict[str, np.ndarray]:
        """The tensors as views into a flat vector, by name."""
        found = {}
        for (name, param), start in zip(self.params.items(), self.starts, strict=True):
            count = int(np.prod(param.shape, dtype=np.int64))
            found[name] = vector[start : start + count].reshape(param.shape)
        return found


def put_rows(rows: np.ndarray, maps: np.ndarray) -> None:
    """Rows of numbers, one per image, into maps [block, channel, 1, 1, lane]; 0 into the lanes that are left over."""
    blocks, channels, lanes = maps.shape[0], maps.shape[1], maps.shape[4]
    full = np.zeros((blocks * lanes, channels), maps.dtype)
    full[: len(rows)] = rows
    maps[:, :, 0, 0] = full.reshape(blocks, lanes, channels).swapaxes(1, 2)
