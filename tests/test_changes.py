"""Where configs differ."""

from __future__ import annotations

from cnncli.changes import Change, changes

OLD = {
    "model": [{"conv2d": {"out_channels": 4}, "name": "a", "inputs": "input"}, "relu", {"linear": {"out_features": 3}}],
    "loss": {"softmax_cross_entropy": {"label_smoothing": 0.0}},
    "optimizer": {"sgd": {"lr": 0.1}},
    "train": {"epochs": 3, "clip": None},
}


def test_entries_and_choices() -> None:
    new = {**OLD, "optimizer": {"adam": {"lr": 0.1}}, "train": {"epochs": 4, "clip": {"norm": 1.0}}}
    assert list(changes(OLD, new)) == [
        Change("optimizer", "sgd", "adam"), Change("train.epochs", 3, 4), Change("train.clip", None, {"norm": 1.0}),
    ]  # fmt: skip
    assert list(changes(OLD, {**OLD, "optimizer": {"sgd": {"lr": 0.2}}})) == [Change("optimizer.sgd.lr", 0.1, 0.2)]
    assert list(changes(OLD, OLD)) == []


def test_layers_go_by_name() -> None:
    model = [{"conv2d": {"out_channels": 8}, "name": "a", "inputs": "input"}, {"linear": {"out_features": 3}}]
    assert list(changes(OLD, {**OLD, "model": model})) == [
        Change("model.a.out_channels", 4, 8), Change("model.relu_1", {"type": "relu"}, None),
    ]  # fmt: skip
