"""Work done ahead by threads, handed over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def ahead(
    make: Callable[[Given], Made],
    items: Iterable[Given],
    workers: int,
    urgent: Callable[[Given], bool] = lambda _: False,
) -> Iterator[Made]:
    """``map(make, items)`` by so many threads; only a few items are ahead of what has been asked for.

    After an item that is `urgent` no other is asked for before all are made.
    """
    pool = ThreadPoolExecutor(workers, "ahead")
    try:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(make, item))
            while waiting and (len(waiting) > 2 * workers or urgent(item)):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
