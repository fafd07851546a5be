"""``cnn diagnose``: its tables, lines for scripts and verdicts."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Cnn

SIGMOIDS = (
    "data: {image: {size: [5, 5], channels: 3}, classes: 4}\nmodel:\n"
    + "  - linear: {out_features: 20}\n  - sigmoid\n" * 10
    + "  - linear: {out_features: 4}\n"
)


def test_a_healthy_network(cnn: Cnn, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    done = cnn("diagnose", "tiny.yaml", "--steps", "5")
    assert (done.code, done.err) == (0, "")
    assert sorted(folder.rglob("*")) == before
    start, end = (done.out.index(text) for text in ("at the start, loss ", "after 5 steps, loss "))
    assert start < end
    assert done.out.startswith("45 images looked at")
    assert [line.split()[0] for line in done.out[start:end].splitlines()[1:-1]] == [
        "layer", "conv2d_1", "batch_norm2d_1", "relu_1", "dropout_1", "linear_1",
    ]  # fmt: skip
    assert done.out.endswith("no problems found\n")


def test_vanishing_gradients(cnn: Cnn, folder: Path) -> None:
    (folder / "deep.yaml").write_text(SIGMOIDS)
    done = cnn("diagnose", "deep.yaml", "--steps", "2")
    assert done.code == 0
    assert done.err == "deep.yaml: names no data, so noise with random labels is used\n"
    assert "at most 9.54e-07 of a gradient passes" in done.out
    assert "vanishing gradient at the start: the gradient at linear_1 is " in done.out
    assert "  what helps: use relu instead of sigmoid" in done.out


def test_json(cnn: Cnn, folder: Path) -> None:
    (folder / "deep.yaml").write_text(SIGMOIDS)
    *rows, whole = map(json.loads, cnn("diagnose", "deep.yaml", "--steps", "2", "--json").out.splitlines())
    layers, problems = rows[:42], rows[42:]
    assert [(row["step"], row["name"]) for row in layers[:2]] == [(0, "linear_1"), (0, "sigmoid_1")]
    assert layers[0]["update"] is None
    assert layers[21]["step"] == 2
    assert layers[21]["update"] > 0
    assert [problem["problem"] for problem in problems] == ["vanishing gradient"] * 2
    assert set(problems[0]) == {"problem", "step", "layer", "text", "why", "advice"}
    assert (whole["images"], whole["problems"]) == (256, 2)
    assert set(whole["losses"]) == {"0", "2"}


def test_overrides(cnn: Cnn) -> None:
    out = cnn("diagnose", "tiny.yaml", "optimizer.sgd.lr=1e30", "--steps", "9").out
    assert "diverged after " in out
    assert "training diverged" in out


def test_refusals(cnn: Cnn, folder: Path) -> None:
    (folder / "none.yaml").write_text("model: [{linear: {out_features: 2}}]\n")
    done = cnn("diagnose", "none.yaml")
    assert (done.code, done.out) == (2, "")
    assert "it must say what images there would be" in done.err
    assert cnn("diagnose", "no.yaml").code == 66
    assert cnn("diagnose", "tiny.yaml", "--steps", "-1").code == 2
