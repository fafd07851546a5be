"""``cnn train --resume``: a run that is stopped and gone on with equals one that is not; other data are refused."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import JSON_KEYS, Cnn, contents

from cnncli import session
from cnncli.checkpoint import load, save
from cnncli.training import Trainer

ADAM = ("optimizer={adam: {lr: 0.01}}", "schedule={cosine: {warmup_epochs: 1}}")
AUGMENT = ("data.augment=[{shift: 1}, {rotate: 9}, {noise: 0.1}, {cutout: 2}]",)


def stop_at(monkeypatch: pytest.MonkeyPatch, *steps: int, method: str = "_step") -> None:
    """Get SIGTERM when so many steps have been done, each time only once."""
    waiting = list(steps)
    real: Callable[..., Any] = getattr(Trainer, method)

    def watched(self: Trainer, *args: Any) -> Any:
        if waiting and self.progress.step + 1 >= waiting[0]:
            waiting.pop(0)
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *args)

    monkeypatch.setattr(Trainer, method, watched)


EMA = ("train.ema=0.9", "train.clip={norm: 0.1}", "train.early_stopping={patience: 2, min_delta: 0.5}")


@pytest.mark.parametrize("options", [(), ADAM, AUGMENT, EMA], ids=["sgd", "adam", "augment", "ema"])
def test_resumed_equals_uninterrupted(cnn: Cnn, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    assert cnn("train", "tiny.yaml", *options, "--run", "whole").code == 0
    stop_at(monkeypatch, 1, 5, 6, 11)  # of 12 steps, 3 an epoch; 6 is the last one of the second
    command = ("train", "tiny.yaml", *options, "--run", "parts", "--resume")
    codes: list[int] = []
    while not codes or codes[-1] == 75:
        codes.append(cnn(*command).code)
    assert codes == [75, 75, 75, 75, 0]
    assert contents("parts") == contents("whole")


def test_stopped_within_an_evaluation(cnn: Cnn, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at(monkeypatch, 6, method="_finish_epoch")
    done = cnn("train", "tiny.yaml", "--run", "parts")
    assert done.code == 75
    assert "stopped by SIGTERM in epoch 2, step 6" in done.err
    done = cnn("train", "tiny.yaml", "--run", "parts", "--resume")
    assert done.code == 0
    assert "going on in epoch 2, step 6" in done.err
    assert contents("parts") == contents(str(trained))


@pytest.mark.parametrize("every", ["1 epoch", "3 epochs", "2 steps", "1 minute"])
def test_killed_and_resumed(cnn: Cnn, monkeypatch: pytest.MonkeyPatch, every: str) -> None:
    """What was saved along the way is enough; an error stands for kill -9."""
    clock = iter(range(0, 10**6, 25))
    monkeypatch.setattr(session.time, "monotonic", lambda: float(next(clock)))  # seconds fly
    command = ("train", "tiny.yaml", f"train.save_every={every}", "--run")
    assert cnn(*command, "whole").code == 0
    real = Trainer._step

    def killed(self: Trainer, *order: Any) -> Any:
        if self.progress.step == 10:
            raise RuntimeError
        return real(self, *order)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", killed)
        assert cnn(*command, "parts").code == 70
    position = load(Path("parts/last.npz")).meta["progress"]
    if every in ("2 steps", "1 minute"):
        assert position["batch"] > 0
    assert cnn(*command, "parts", "--resume").code == 0
    assert contents("parts") == contents("whole")


def test_a_stop_in_the_final_evaluation_leaves_a_finished_run(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    real = session.evaluate

    def watched(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*args)

    monkeypatch.setattr(session, "evaluate", watched)
    done = cnn("train", "tiny.yaml")
    assert (done.code, done.out) == (75, "")
    assert "stopped by SIGTERM" in done.err
    done = cnn("train", "tiny.yaml", "--resume")
    assert (done.code, done.out) == (0, "")
    assert "finished, 4 epochs" in done.err


# --- resuming


def test_resume_starts_where_there_is_nothing(cnn: Cnn) -> None:
    assert cnn("train", "tiny.yaml", "--resume").code == 0
    assert os.listdir("runs") == ["tiny"]


def test_resume_starts_in_an_empty_folder(cnn: Cnn, folder: Path) -> None:
    (folder / "here").mkdir()
    assert cnn("train", "tiny.yaml", "--resume", "--run", "here").code == 0
    assert (folder / "here/best.npz").exists()


def test_a_finished_run_needs_no_data(cnn: Cnn, trained: Path, folder: Path) -> None:
    before = contents(str(trained))
    first = json.loads(cnn("train", "tiny.yaml", "--resume", "--json").out)
    assert list(first) == JSON_KEYS
    (folder / "data").rename(folder / "gone")
    done = cnn("train", "tiny.yaml", "--resume")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("runs/tiny: finished, 4 epochs of 4 are done")
    assert contents(str(trained)) == before


def test_resume_goes_on_with_more_epochs(cnn: Cnn, trained: Path) -> None:
    done = cnn("train", "tiny.yaml", "--resume", "train.epochs=6", "optimizer.sgd.lr=0.01")
    assert done.code == 0
    assert "warning: the config differs from the checkpoint's: train.epochs: 4 then, 6 now" in done.err
    assert "optimizer.sgd.lr: 0.05 then, 0.01 now" in done.err
    assert len(Path(trained, "results.csv").read_text().splitlines()) == 7


def test_resume_with_other_augmentation(cnn: Cnn, trained: Path) -> None:
    done = cnn("train", "tiny.yaml", "--resume", "train.epochs=5", "data.augment=[{rotate: 5}]")
    assert done.code == 0
    assert "data.augment: [] then, [{rotate: {degrees: 5.0}}] now" in done.err


def test_resume_of_a_run_that_is_older_than_an_option(cnn: Cnn, trained: Path) -> None:
    for name in ("last.npz", "best.npz"):
        stored = load(trained / name)
        del stored.meta["config"]["data"]["augment"], stored.meta["config"]["data"]["fill"]
        save(trained / name, stored.arrays, stored.meta)
    done = cnn("train", "tiny.yaml", "--resume", "train.epochs=5")
    assert done.code == 0
    assert done.err.count("the config differs") == 1  # in the epochs


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (["model.0.out_channels=5"], "belongs to another network"),
        (["model.3.p=0.5"], "model differs"),
        (["train.batch_size=8"], "train.batch_size: 16 then, 8 now"),
        (["train.seed=1"], "train.seed: 0 then, 1 now"),
        (["optimizer=adam"], "config differs: optimizer: 'sgd' then, 'adam' now\n"),
        (["train.ema=0.9"], "train.ema: nothing then, 0.9 now"),
        (["train.accumulate=2"], "train.accumulate: 1 then, 2 now"),
        (["data.validation=0.5"], "the data have changed: 45 training images of 3 classes then, "),
        (
            ["data.normalize=none"],
            "the data have changed: the images' size, channels, mean or deviation; runs/tiny/last.npz cannot be",
        ),
    ],
)
def test_resume_refuses_another_run(cnn: Cnn, trained: Path, changes: list[str], text: str) -> None:
    before = contents(str(trained))
    done = cnn("train", "tiny.yaml", "--resume", "train.epochs=9", *changes)
    assert done.code == 65
    assert text in done.err
    assert contents(str(trained)) == before


@pytest.mark.parametrize("file", ["labels-idx1", "images-idx3"])
def test_resume_refuses_other_data(cnn: Cnn, trained: Path, file: str) -> None:
    """With as many of each label, and the same mean and deviation: two labels, or two pixels, change places."""
    path = Path(f"data/train-{file}-ubyte")
    content = bytearray(path.read_bytes())
    first = 8 if "labels" in file else 16
    second = next(place for place in range(first, len(content)) if content[place] != content[first])
    content[first], content[second] = content[second], content[first]
    path.write_bytes(content)
    done = cnn("train", "tiny.yaml", "--resume", "train.epochs=9")
    assert done.code == 65
    assert done.err.splitlines()[-1] == (
        "error: the data have changed: the training images, their labels or their order; runs/tiny/last.npz cannot be "
        "gone on with; --from runs/tiny/last.npz begins a new run with its weights"
    )
    assert cnn("train", "tiny.yaml", "--from", "runs/tiny/last.npz").code == 0


def test_checkpoints_that_know_labels_alone_tell_those(cnn: Cnn, trained: Path) -> None:
    path = trained / "last.npz"
    stored = load(path)
    del stored.meta["fingerprints"]
    labels = np.frombuffer(Path("data/train-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    kept = np.setdiff1d(np.arange(len(labels)), stored.arrays["split:validation"])
    right = hashlib.sha256(labels[kept].astype("<i4").tobytes()).hexdigest()
    for known, code in ((right, 0), ("0" * 64, 65)):
        save(path, stored.arrays, stored.meta | {"train_labels": known})
        done = cnn("train", "tiny.yaml", "--resume", "train.epochs=5")
        assert done.code == code
        assert ("the training images have other labels or another order now" in done.err) == (code == 65)


def test_resume_from_an_earlier_checkpoint_where_the_last_is_damaged(cnn: Cnn, trained: Path) -> None:
    before = contents(str(trained))
    Path(trained, "last.npz").write_bytes(before["last.npz"][:-100])
    done = cnn("train", "tiny.yaml", "--resume")
    assert done.code == 0
    assert "warning: runs/tiny/last.npz: cut short; going on from an earlier checkpoint" in done.err
    assert contents(str(trained)) == before
