"""Work done ahead by threads or processes, handed over in order."""

from __future__ import annotations

import os
import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from threading import Thread
from typing import Any, TypeVar

from cnncli.errors import IOFailure

START = 10.0  # seconds after which processes that have not begun never will
Given = TypeVar("Given")
Made = TypeVar("Made")
Crew = tuple[Executor, Callable[[Given], Made]]  # who works, and the function they are given with each item


def threads(make: Callable[[Given], Made], workers: int) -> Crew[Given, Made]:
    """For work that leaves Python's lock alone, or is small beside what would have to be sent to a process."""
    return ThreadPoolExecutor(workers, "ahead"), make


def processes(make: Callable[[Given], Made], workers: int) -> Crew[Given, Made]:
    """For work that holds Python's lock; this thread itself, where no processes can be made.

    They begin as copies of this process, with `make` and all that it knows. Kernels they call must use one thread:
    OpenMP's threads are not copied, and libgomp waits for them.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children, get_context

    try:
        pool = ProcessPoolExecutor(workers, get_context("fork"), initializer=_begin, initargs=(make,))
        with warnings.catch_warnings():
            # Python warns of a copy while there are threads; those here hold no lock that their work takes
            warnings.simplefilter("ignore", DeprecationWarning)
            pool.submit(os.getpid).result(START)
    # a limit of processes, threads or memory, also one that ended a helper or its keeper; no semaphores
    except (OSError, NotImplementedError, RuntimeError):
        for process in active_children():
            process.kill()
        return _Here(), make
    return pool, _make


class _Here(Executor):
    """No worker: what is submitted is done at once."""

    def submit(self, do: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(do(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


_job: Callable[[Any], Any]  # of a process that helps


def _make(item: Any) -> Any:
    return _job(item)


def _begin(make: Callable[[Any], Any]) -> None:
    global _job
    _job = make
    _follow()


def _follow() -> None:
    """Leave Ctrl-C, which all get, to the parent; end with it, however it ends, and when it says so."""
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(0)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    Thread(target=wait, name="follow", daemon=True).start()


def ahead(
    make: Callable[[Given], Made],
    items: Iterable[Given],
    workers: int,
    urgent: Callable[[Given], bool] = lambda _: False,
    crew: Callable[[Callable[[Given], Made], int], Crew[Given, Made]] = threads,
) -> Iterator[Made]:
    """``map(make, items)`` by so many workers; only a few items are ahead of what has been asked for.

    After an item that is `urgent` no other is asked for before all are made. `crew` is `threads` or `processes`, to and
    from which items and what is made of them are sent.

    Raises
    ------
    IOFailure
        If a process was ended from outside.
    """
    pool, do = crew(make, workers)
    try:
        waiting: deque[Future[Made]] = deque()
        for item in items:
            waiting.append(pool.submit(do, item))
            while waiting and (len(waiting) > 2 * workers or urgent(item)):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenExecutor as error:
        raise IOFailure(
            "a process that helps has ended, perhaps for want of memory; --workers 0 does without"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
