"""Processes that MPI has started, and how they exchange numbers.

References: Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH", 2005, for
sums as an exchange of pieces and a gathering.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from mpi4py import MPI

from cnncli.process_group import ProcessGroup

PAUSE = 0.2  # seconds for what was printed to get out through the launcher, which an abort ends


class MpiGroup(ProcessGroup):
    """The processes of an MPI communicator; what is exchanged is never more than the group's own numbers."""

    def __init__(self, communicator: Any) -> None:
        self._comm = communicator
        self.rank, self.size = communicator.rank, communicator.size
        self._first: dict[int, ProcessGroup] = {self.size: self}

    def first(self, size: int) -> ProcessGroup:
        if size not in self._first:
            members = self._comm.group.Incl(range(size))
            self._first[size] = MpiGroup(self._comm.Create_group(members))
        return self._first[size]

    def gather(self, array: np.ndarray, counts: Sequence[int]) -> None:
        row = array[:1].size
        self._comm.Allgatherv(MPI.IN_PLACE, [array, _places([count * row for count in counts])])

    def add(self, vector: np.ndarray, order: Sequence[tuple[int, int]]) -> None:
        ends = [vector.size * (rank + 1) // self.size for rank in range(self.size)]
        counts = np.diff([0, *ends]).tolist()
        piece = counts[self.rank]
        parts = np.empty((self.size, piece), vector.dtype)
        self._comm.Alltoallv([vector, _places(counts)], [parts, _places([piece] * self.size)])
        for left, right in order:
            parts[left] += parts[right]
        vector[ends[self.rank] - piece : ends[self.rank]] = parts[0]
        self.gather(vector, counts)

    def start_adding(self, vector: np.ndarray) -> Any:
        return self._comm.Iallreduce(MPI.IN_PLACE, vector)

    def finish(self, begun: Sequence[Any]) -> None:
        MPI.Request.Waitall(list(begun))

    def broadcast(self, array: np.ndarray) -> None:
        self._comm.Bcast(array)

    def share(self, value: Any) -> Any:
        return self._comm.bcast(value)

    def all(self, value: Any) -> list[Any]:
        return list(self._comm.allgather(value))

    def total(self, value: int) -> int:
        found: int = self._comm.allreduce(value)
        return found

    def most(self, value: int) -> int:
        found: int = self._comm.allreduce(value, MPI.MAX)
        return found

    def sharing(self, processors: Collection[int]) -> int:
        return int(self._comm.Split_type(MPI.COMM_TYPE_SHARED).allgather(processors).count(processors))

    def abort(self, code: int) -> None:
        time.sleep(PAUSE)
        self._comm.Abort(code)


def _places(counts: Sequence[int]) -> tuple[Sequence[int], list[int]]:
    """Counts and where each begins, as MPI wants them."""
    return counts, np.cumsum([0, *counts[:-1]]).tolist()
