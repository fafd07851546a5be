"""A batch divided between processes, so that every sum has the order that it has in one process.

Sums over images are made within blocks of lanes first; blocks are added by a fixed binary tree over their index:
neighbours, then pairs of neighbours, and so on. A process has one whole branch of that tree, the sum of which its
kernels make by themselves; what is left is the top of the tree, whose leaves are the processes.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from cnncli.errors import SpecError
from cnncli.process_group import ALONE, ProcessGroup

WORTH_A_MESSAGE = 2**16  # numbers: fewer wait for more


def branches(blocks: int, count: int) -> list[int]:
    """Where `count` branches begin that together are the tree over so many blocks: the largest is halved till they do.

    With a power of two of both, all are of one size.
    """
    found = [(0, blocks)]
    while len(found) < count:
        start, end = max(found, key=lambda branch: branch[1] - branch[0])
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        found[found.index((start, end))] = (start, middle)
        found.append((middle, end))
    return sorted(start for start, _ in found)


def order_of_sums(starts: list[int], blocks: int) -> list[tuple[int, int]]:
    """How the sums of branches are added up to that of the tree: pairs of their numbers, the second to the first."""
    order = []
    step = 1
    while step < blocks:
        for block in range(0, blocks - step, 2 * step):
            if block + step in starts:
                order.append((starts.index(block), starts.index(block + step)))
        step *= 2
    return order


class Shard:
    """The part of each batch that this process has: some blocks, at the same place in every batch.

    Parameters
    ----------
    batch_size : int
        Of the whole batch.
    lanes : int
        Images of a block.
    group : ProcessGroup
    exact : bool
        Whether sums have the one order, so that all bits are those of a single process.

    Attributes
    ----------
    divided : bool
        Whether there are other processes; else there is nothing to exchange, and no time to lose on it.
    images : int
        Of the whole current batch; an epoch's last may have fewer.
    first : int
        The block of the batch where this part begins.
    blocks : int
        Of the largest batch, in all processes together.
    capacity : int
        Images of a full batch that are here.

    Raises
    ------
    SpecError
        There are fewer blocks than processes.
    """

    def __init__(self, batch_size: int, lanes: int, group: ProcessGroup = ALONE, exact: bool = True) -> None:
        self.batch_size, self.lanes, self.group, self.exact = batch_size, lanes, group, exact
        self.divided = group.size > 1
        self.blocks = -(-batch_size // lanes)
        if group.size > self.blocks:
            raise SpecError(
                f"train.batch_size: {batch_size} images make {self.blocks} block{'s' * (self.blocks > 1)} of {lanes}, "
                f"too few for {group.size} processes, each of which takes one at least; {32 * group.size} would do"
            )
        self._starts = branches(self.blocks, group.size)
        self.first = self._starts[group.rank]
        self.images = batch_size
        rows = self.rows(batch_size)
        self.capacity = rows.stop - rows.start

    def rows(self, images: int) -> slice:
        """Which images of a batch of so many are here; in a small batch perhaps none."""
        ends = [*self._starts[1:], self.blocks]
        start, stop = (min(block * self.lanes, images) for block in (self.first, ends[self.group.rank]))
        return slice(start, stop)

    @property
    def empty(self) -> bool:
        """Whether no image of the current batch is here."""
        return self.first * self.lanes >= self.images

    @property
    def idle(self) -> bool:
        """Whether some process has no image of the current batch."""
        return self._starts[-1] * self.lanes >= self.images

    @cached_property
    def own(self) -> slice:
        """This process's rows of an array with a row for every block of the batch."""
        return slice(self.first, self.first + -(-self.capacity // self.lanes))

    def _counts(self) -> list[int]:
        """Blocks of the current batch in each process."""
        blocks = -(-self.images // self.lanes)
        return np.diff([min(start, blocks) for start in self._starts] + [blocks]).tolist()

    def gather(self, array: np.ndarray, *, working: bool = False) -> None:
        """Complete an array with a row for every block; if `working`, only those that have images take part."""
        if not self.divided:
            return
        counts = self._counts()
        active = sum(count > 0 for count in counts) if working else self.group.size
        self.group.first(active).gather(array, counts[:active])

    def adding(self, vector: np.ndarray, size: int) -> Adding:
        """What replaces sums over this process's images by those over the whole batch, in every backward pass.

        Those at `size` and behind it are the last to become final.
        """
        return (Adding if self.exact else EarlyAdding)(self, vector, size)

    def order(self) -> list[tuple[int, int]]:
        """The order in which the processes' sums over the current batch are added."""
        blocks = -(-self.images // self.lanes)
        return order_of_sums([start for start in self._starts if start < blocks], blocks)


class Adding:
    """All sums are added at the end, in the one order."""

    def __init__(self, shard: Shard, vector: np.ndarray, size: int) -> None:
        self.shard, self.vector, self.size = shard, vector, size

    def final(self, start: int) -> None:
        """Those from `start` on will not change any more."""

    def finish(self) -> None:
        """None of them will; wait until all are added."""
        if self.shard.divided:
            self.shard.group.add(self.vector, self.shard.order())


class EarlyAdding(Adding):
    """Sums are added while others are still being made, in whatever order is fastest."""

    def __init__(self, shard: Shard, vector: np.ndarray, size: int) -> None:
        super().__init__(shard, vector, size)
        self._rest = size
        self._begun: list[Any] = []

    def final(self, start: int) -> None:
        if self._rest - start >= WORTH_A_MESSAGE:
            self._begin(self.vector[start : self._rest])
            self._rest = start

    def finish(self) -> None:
        for part in (self.vector[self.size :], self.vector[: self._rest]):
            if part.size:
                self._begin(part)
        self.shard.group.finish(self._begun)
        self._rest, self._begun = self.size, []

    def _begin(self, part: np.ndarray) -> None:
        if self.shard.empty:
            part[...] = 0
        self._begun.append(self.shard.group.start_adding(part))
