"""Batches for training: gathered, augmented, and put into the network's input."""

from __future__ import annotations

import time
from queue import SimpleQueue
from threading import Thread

import numpy as np

from cnncli import runtime
from cnncli.augmenter import Augmenter
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.workspace import aligned

WORTH_A_THREAD = 16384  # pixels of a batch: less is done before another thread has woken up


class Loader:
    """Fills a network's input; a thread augments the next batch while the network works on the last.

    It does where a processor is left for it: one that the network's threads wait for would cost more than it saves
    (measured on two cores: 20 % of a small network's epoch). Else, where there is to be one thread, and for small
    batches, all threads augment a batch when it is wanted. Without augmentation there is nothing to prepare: packing
    would become a copy. The images are the same in any case.

    Parameters
    ----------
    network : Network
    preprocessing : Preprocessing
    images : ndarray, shape (N, height, width, channels)
    augmenter : Augmenter or None
        Of these images.

    Attributes
    ----------
    seconds : float
        That the network has waited for its input.
    """

    def __init__(
        self, network: Network, preprocessing: Preprocessing, images: np.ndarray, augmenter: Augmenter | None
    ) -> None:
        self._network, self._preprocessing, self._images, self._augmenter = network, preprocessing, images, augmenter
        self.seconds = 0.0
        self._ahead = False
        if augmenter:
            batch = (network.shard.batch_size, *images.shape[1:])  # as those of other processes may be mixed in
            self._stage = aligned(batch, np.float32)
            self._places = np.arange(len(self._stage))
            self._scratch = aligned((network.threads, augmenter.scratch_size), np.float32)
            sharing = network.shard.group.sharing(runtime.affinity())
            large = self._stage.size > WORTH_A_THREAD
            self._ahead = large and network.threads > 1 and runtime.has_spare(network.threads * sharing)
        self._thread: Thread | None = None
        self._asked: tuple[int, int] | None = None
        self._epoch: int | None = None

    @property
    def mixes(self) -> bool:
        """Whether images are mixed in the current epoch, so that they belong to several classes."""
        return self._augmenter is not None and bool(self._changed.mixes)

    def fill(self, epoch: int, order: np.ndarray, shown: np.ndarray, first: int) -> None:
        """Put the batch of images ``order[first:]`` into the network's input.

        Parameters
        ----------
        epoch : int
            Counted from 0.
        order : ndarray of int64
            The images of the epoch, as `cnncli.sampling` gives them.
        shown : ndarray of int64
            The images themselves: the order without the numbers of copies.
        first : int

        Raises
        ------
        Exception
            What the thread met when it prepared this batch.
        """
        began = time.perf_counter()
        self._fill(epoch, order, shown, first)
        self.seconds += time.perf_counter() - began

    def _fill(self, epoch: int, order: np.ndarray, shown: np.ndarray, first: int) -> None:
        own = self._own(order, first)
        if self._augmenter and epoch != self._epoch:
            self.close()
            self._changed, self._epoch = self._augmenter.prepare(epoch, order), epoch
        if own.start == own.stop:
            return
        if self._augmenter is None:
            self._preprocessing.fill(self._network, self._images, shown[own])
            return
        needed = self._needed(order, first)
        if self._asked == (epoch, first):
            self._wait()
        else:
            self.close()
            self._augmenter.apply(self._changed, needed, self._stage, self._scratch, self._network.threads)
        begin = own.start - needed.start
        here = self._places[begin : begin + own.stop - own.start]
        self._preprocessing.fill(self._network, self._stage, here, self._images.dtype)
        after = first + self._network.shard.batch_size
        upcoming = self._own(order, after)
        if self._ahead and upcoming.start < upcoming.stop:
            self._ask(epoch, after, self._needed(order, after))

    def mix_targets(self, first: int, targets: np.ndarray) -> None:
        """Mix the classes of the batch that begins at `first`, (n, classes), as its images are mixed, in place."""
        if self._augmenter:
            self._augmenter.mix_targets(self._changed, slice(first, first + len(targets)), targets)

    def _own(self, order: np.ndarray, first: int) -> slice:
        """The places in the epoch's order of what this process has of the batch that begins at `first`."""
        shard = self._network.shard
        rows = shard.rows(max(0, min(shard.batch_size, len(order) - first)))
        return slice(first + rows.start, first + rows.stop)

    def _needed(self, order: np.ndarray, first: int) -> slice:
        """The places of what is to be augmented for that: the whole batch, if its images are mixed."""
        if self.mixes:
            return slice(first, min(first + self._network.shard.batch_size, len(order)))
        return self._own(order, first)

    def close(self) -> None:
        """End the thread, if there is one; whatever it is doing is finished and dropped."""
        if self._thread:
            self._jobs.put(None)
            self._thread.join()
        self._thread = self._asked = None

    def _ask(self, epoch: int, first: int, places: slice) -> None:
        if self._thread is None:
            self._jobs: SimpleQueue[slice | None] = SimpleQueue()
            self._done: SimpleQueue[BaseException | None] = SimpleQueue()
            self._thread = Thread(target=self._work, name="loader", daemon=True)
            self._thread.start()
        self._asked = epoch, first
        self._jobs.put(places)

    def _wait(self) -> None:
        error = self._done.get()
        self._asked = None
        if error:
            raise error

    def _work(self) -> None:
        """The thread: a single one, since all other processors are at work."""
        assert self._augmenter
        while job := self._jobs.get():
            try:
                self._augmenter.apply(self._changed, job, self._stage, self._scratch, threads=1)
                self._done.put(None)
            except BaseException as error:  # raised where the batch is wanted
                self._done.put(error)
