"""Batches: the same whether a thread prepares them or not; the thread ends with the training."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest
from tasks import trainer

from cnncli import loader, registry, runtime
from cnncli.augmenter import Augmenter
from cnncli.evaluation import evaluate
from cnncli.loader import Loader
from cnncli.progress import Progress
from cnncli.training import Trainer

AUGMENT = [
    registry.get("augmentations", name)(**options)
    for name, options in [("shift", {"pixels": (1, 1)}), ("rotate", {"degrees": 10.0}), ("noise", {"std": 0.1})]
]
STEPS = 7  # of an epoch: 330 images in batches of 50, the last of 30


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor to spare, and batches that are worth it."""
    monkeypatch.setattr(runtime, "has_spare", lambda used: True)
    monkeypatch.setattr(loader, "WORTH_A_THREAD", 0)


def loaders() -> int:
    return sum(thread.name == "loader" for thread in threading.enumerate())


def state(trained: Trainer) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in trained.arrays().items()}


def assert_same(one: Trainer, other: Trainer) -> None:
    left, right = state(one), state(other)
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)
    assert one.progress == other.progress


def finished(**options: Any) -> Trainer:
    trained = trainer(augment=AUGMENT, **options)
    list(trained.fit())
    return trained


def test_augmentation_changes_the_training() -> None:
    plain, augmented = trainer(), finished()
    list(plain.fit())
    assert not np.array_equal(plain.network.theta, augmented.network.theta)
    assert plain.progress.history[0]["train_loss"] != augmented.progress.history[0]["train_loss"]


def test_augmentation_that_changes_nothing_changes_no_bit() -> None:
    plain = trainer()
    list(plain.fit())
    still = trainer(augment=[registry.get("augmentations", "shift")(pixels=(0, 0))])
    list(still.fit())
    assert_same(still, plain)


def test_threads_and_the_loader_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finished()
    for threads in (2, 4):
        assert_same(finished(threads=threads), whole)
    monkeypatch.setattr(runtime, "has_spare", lambda used: True)
    monkeypatch.setattr(loader, "WORTH_A_THREAD", 0)
    for threads in (1, 2, 4):
        assert_same(finished(threads=threads), whole)


@pytest.mark.parametrize("stop", [1, 4, STEPS, STEPS + 1, STEPS + 2, 2 * STEPS + 1])
@pytest.mark.parametrize("threads", [1, 2])
def test_resumed_equals_uninterrupted(ahead: None, threads: int, stop: int) -> None:
    whole, first = finished(threads=threads), trainer(augment=AUGMENT, threads=threads)
    reports = first.fit()
    for _ in range(stop):
        next(reports)
    stored, progress = state(first), json.loads(json.dumps(first.progress.to_dict()))
    second = trainer(augment=AUGMENT, threads=threads)
    second.load(stored)
    second.progress = Progress(**progress)
    list(second.fit())
    assert_same(second, whole)


def test_there_is_a_thread_where_it_helps(ahead: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def running(threads: int = 2, **options: Any) -> int:
        reports = trainer(threads=threads, **{"augment": AUGMENT, **options}).fit()
        next(reports)
        return loaders()

    assert running() == 1
    assert running(threads=1) == 0
    assert running(augment=()) == 0
    monkeypatch.setattr(loader, "WORTH_A_THREAD", 50 * 64)
    assert running() == 0
    monkeypatch.setattr(loader, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(runtime, "has_spare", lambda used: False)
    assert running() == 0


def test_a_spare_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "threads", lambda: 4)
    assert [runtime.has_spare(used) for used in (1, 3, 4, 5)] == [True, True, False, False]


def test_the_thread_ends_with_the_training(ahead: None) -> None:
    reports = trainer(augment=AUGMENT, threads=2).fit()
    next(reports)
    assert loaders() == 1
    list(reports)
    assert loaders() == 0


def test_the_thread_ends_when_training_is_left(ahead: None) -> None:
    reports: Any = trainer(augment=AUGMENT, threads=2).fit()
    next(reports)
    reports.close()
    assert loaders() == 0


def test_the_thread_ends_when_training_fails(ahead: None, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = trainer(augment=AUGMENT, threads=2)
    reports = trained.fit()
    next(reports)

    def fail(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trained.network, "backward", fail)
    with pytest.raises(KeyboardInterrupt):
        next(reports)
    assert loaders() == 0


def test_errors_of_the_thread_are_raised_where_the_batch_is_wanted(
    ahead: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = trainer(augment=AUGMENT, threads=2).fit()
    real, main = Augmenter.apply, threading.current_thread()

    def apply(self: Augmenter, *args: Any, **options: Any) -> None:
        if threading.current_thread() is not main:
            raise MemoryError("no room")
        real(self, *args, **options)

    monkeypatch.setattr(Augmenter, "apply", apply)
    next(reports)
    with pytest.raises(MemoryError, match="no room"):
        next(reports)
    assert loaders() == 0


def test_the_next_batch_is_prepared_by_the_thread(ahead: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the first of an epoch, whose order is not known before."""
    real, main, where = Augmenter.apply, threading.current_thread(), []

    def apply(self: Augmenter, *args: Any, **options: Any) -> None:
        where.append(threading.current_thread() is main)
        real(self, *args, **options)

    monkeypatch.setattr(Augmenter, "apply", apply)
    finished(threads=2)
    assert where == 2 * [True, *(STEPS - 1) * [False]]


def test_a_batch_that_was_not_prepared(ahead: None) -> None:
    """Another one is wanted than that which comes next."""
    trained = trainer(augment=AUGMENT, threads=2)
    order = np.arange(330)
    trained.loader.fill(0, order, 0)
    trained.loader.fill(3, order, 100)
    found = trained.network.x.copy()
    trained.loader.close()
    other = trainer(augment=AUGMENT)
    other.loader.fill(3, order, 100)
    np.testing.assert_array_equal(found, other.network.x)


def test_validation_sees_the_images_as_they_are() -> None:
    trained = finished()
    validation: Any = trained.validation
    found = evaluate(trained.network, trained.preprocessing, validation.images, validation.labels)
    assert trained.progress.history[-1]["validation_loss"] == found.loss


def test_a_step_allocates_little(ahead: None) -> None:
    for threads in (1, 2):
        reports = trainer(
            augment=AUGMENT, threads=threads, epochs=1, validation=False, count=4000, batch_size=200
        ).fit()
        next(reports)
        next(reports)
        tracemalloc.start()
        try:
            for _ in range(5):
                next(reports)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 50_000


def test_the_program_ends_although_training_was_left_standing() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from cnncli import loader, runtime; import threading\n"
        "runtime.has_spare = lambda used: True; loader.WORTH_A_THREAD = 0\n"
        "from test_loader import AUGMENT, trainer\n"
        "reports = trainer(augment=AUGMENT, threads=2).fit(); next(reports)\n"
        "kept = [reports]; print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_loaders_without_work_can_be_closed() -> None:
    trained = trainer(augment=AUGMENT)
    made = Loader(trained.network, trained.preprocessing, trained.train.images, None)
    made.close()
    made.close()
