"""Training for TensorBoard, whose files are read back as it does: records of a length, its checksum, and a message."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from conftest import Cnn
from tensorboardX.proto.event_pb2 import Event, SessionLog

from cnncli import tensorboard


def events(folder: Path) -> list[Event]:
    found = []
    for path in sorted(folder.glob("events.*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard shows: a start of a session drops what was there of its step and of later ones."""
    shown: dict[tuple[str, int], float] = {}
    for event in events(folder):
        if event.session_log.status == SessionLog.START:
            shown = {key: value for key, value in shown.items() if key[1] < event.step}
        shown |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    return shown


def test_the_numbers_of_every_epoch(cnn: Cnn, folder: Path) -> None:
    assert cnn("train", "tiny.yaml", "train.tensorboard=true").code == 0
    header, *rows = [line.split(",") for line in (folder / "runs/tiny/results.csv").read_text().splitlines()]
    found = scalars(folder / "runs/tiny/tensorboard")
    step = header.index("step")
    assert rows
    for name, tag in (("train_loss", "loss/train"), ("validation_accuracy", "accuracy/validation"), ("epoch", "epoch")):
        for row in rows:
            assert found[tag, int(row[step])] == pytest.approx(float(row[header.index(name)]), rel=1e-6)


def test_what_a_resumed_run_repeats_counts_once(tmp_path: Path) -> None:
    log = tensorboard.EventLog(tmp_path, 0)
    for step in (10, 20, 30):
        log.append({"step": step, "train_loss": step}, {"relu_1": {"dead": step / 100}})
    log.close()
    again = tensorboard.EventLog(tmp_path, 20)
    again.append({"step": 30, "train_loss": 7}, {"relu_1": {"dead": 0.5}})
    again.close()
    found = scalars(tmp_path / "tensorboard")
    assert {key: found.pop(key) for key in list(found) if key[0] == "loss/train"} == {
        ("loss/train", 10): 10, ("loss/train", 20): 20, ("loss/train", 30): 7,
    }  # fmt: skip
    assert found == {("dead/relu_1", 10 * k): pytest.approx(dead) for k, dead in ((1, 0.1), (2, 0.2), (3, 0.5))}


def test_the_extra_is_named(cnn: Cnn, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorboard.importlib.util, "find_spec", lambda name: None)
    done = cnn("train", "tiny.yaml", "train.tensorboard=true")
    assert done.code == 2
    assert "pip install 'cnncli[tensorboard]'" in done.err
    assert not (folder / "runs").exists()
