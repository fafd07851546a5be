"""Processes that train one network together, and what they tell each other; alone, unless MPI has started several."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

GRACE = 2.0  # seconds that the others leave the first to tell of an error that all may have met


class ProcessGroup:
    """One process: all that is exchanged is its own already.

    Attributes
    ----------
    rank, size : int
        The number of this process, from 0, and how many there are.
    """

    rank = 0
    size = 1

    def first(self, size: int) -> ProcessGroup:
        """The group of the first so many, to be asked for by each of them."""
        return self

    def gather(self, array: np.ndarray, counts: Sequence[int]) -> None:
        """Complete an array whose rows everybody has a part of: first those of rank 0, ``counts[0]``, and so on."""

    def add(self, vector: np.ndarray, order: Sequence[tuple[int, int]]) -> None:
        """Replace everybody's vector by the sum of all, in the given order.

        `order` has pairs of ranks: what has been added up at the second is added to what has been at the first. All
        ends at rank 0; who is not named adds nothing.
        """

    def start_adding(self, vector: np.ndarray) -> Any:
        """Begin to replace everybody's vector by the sum of all, in whatever order is fastest; see `finish`."""

    def finish(self, begun: Sequence[Any]) -> None:
        """Wait for sums that were begun."""

    def broadcast(self, array: np.ndarray) -> None:
        """Replace everybody's array by that of rank 0."""

    def share(self, value: Any) -> Any:
        """The value that rank 0 gives."""
        return value

    def all(self, value: Any) -> list[Any]:
        """The values that all give, by rank."""
        return [value]

    def total(self, value: int) -> int:
        """The sum of the numbers that all give."""
        return value

    def most(self, value: int) -> int:
        """The largest of the numbers that all give."""
        return value

    def sharing(self, processors: Collection[int]) -> int:
        """How many processes of the group have been given the same processors of the same machine."""
        return 1

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let rank 0 do something before the others do it."""
        if self.rank:
            self.share(None)
        yield
        if not self.rank:
            self.share(None)

    @contextmanager
    def first_speaks(self) -> Iterator[None]:
        """Let what the others print go nowhere, unless they end by an error."""
        if not self.rank:
            yield
            return
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            yield

    def wait_for_the_first(self) -> None:
        """Before telling of an error: if rank 0 has met the same, it tells, and ends all."""
        if self.rank:
            time.sleep(GRACE)

    def abort(self, code: int) -> None:
        """End all processes now, wherever they are."""


ALONE = ProcessGroup()
