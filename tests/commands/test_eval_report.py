"""``cnn eval``: numbers against scikit-learn's, calibration, views, requirements, lists of mistakes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Cnn
from sklearn import metrics as sklearn_metrics

from cnncli.checkpoint import load, save


def found(cnn: Cnn, *args: str) -> dict[str, Any]:
    done = cnn("eval", "--json", *args)
    assert done.code == 0, done.err
    values: dict[str, Any] = json.loads(done.out)
    return values


def table(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that ``--predictions`` wrote."""
    rows = list(csv.DictReader(Path(path).read_text().splitlines()))
    return np.array([int(row["label"]) for row in rows]), np.array([[float(row[k]) for k in "012"] for row in rows])


def test_agreement_with_scikit_learn(cnn: Cnn, trained: Path) -> None:
    values = found(cnn, "--predictions", "p.csv", "--confusion", "c.csv", "--top-k", "2")
    labels, scores = table("p.csv")
    guesses = scores.argmax(axis=1)
    report = sklearn_metrics.classification_report(labels, guesses, output_dict=True, zero_division=0)
    for row in values["classes"]:
        expected = report[row["name"]]
        for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert row[ours] == pytest.approx(expected[theirs], rel=1e-12)
    for average in ("macro", "weighted"):
        for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert values[average][ours] == pytest.approx(report[f"{average} avg"][theirs], rel=1e-12)
    assert values["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, guesses), rel=1e-12)
    assert values["top2"] == pytest.approx(sklearn_metrics.top_k_accuracy_score(labels, scores, k=2), rel=1e-12)
    assert values["loss"] == pytest.approx(
        -np.log(scores[np.arange(len(labels)), labels]).mean(), rel=1e-5
    )  # float32's logarithms
    assert values["confusion"] == sklearn_metrics.confusion_matrix(labels, guesses).tolist()
    written = list(csv.reader(Path("c.csv").read_text().splitlines()))
    assert written[0] == ["true", "0", "1", "2"]
    assert [list(map(int, row[1:])) for row in written[1:]] == values["confusion"]


def test_lists_of_mistakes(cnn: Cnn, trained: Path) -> None:
    values = found(cnn, "--predictions", "p.csv", "--mistakes", "3")
    labels, scores = table("p.csv")
    wrong = sum(labels != scores.argmax(axis=1))
    assert len(values["mistakes"]) == min(wrong, 3)
    for row in values["mistakes"]:
        assert row["label"] != row["predicted"]
        assert row["probability"] > row["label_probability"]
    assert sum(pair["images"] for pair in values["confused"]) <= wrong
    text = cnn("eval", "--mistakes", "3", "--reliability").out
    assert ("the surest mistakes" in text) == bool(wrong)
    assert "answers by their probability" in text
    assert "the surest mistakes" not in cnn("eval", "--mistakes", "0").out


def test_requirements(cnn: Cnn, trained: Path) -> None:
    accuracy = found(cnn)["accuracy"]
    assert cnn("eval", "--require", f"accuracy>={accuracy}", "--require", "macro.f1<=100%").code == 0
    done = cnn("eval", "--require", f"accuracy>{accuracy}", "--require", "loss < -1", "--json")
    assert done.code == 1
    assert json.loads(done.out)["accuracy"] == accuracy
    lines = done.err.splitlines()
    assert lines[1].startswith(f"error: required accuracy>{accuracy}, found ")
    assert lines[2].lstrip().startswith("required loss < -1, found ") or "loss < -1" in lines[2]
    done = cnn("eval", "--require", "acuracy>0.5")
    assert done.code == 2
    assert "no number 'acuracy'; did you mean 'accuracy'?" in done.err
    for text in ("accuracy", "accuracy>=", "accuracy=0.9", "accuracy>high"):
        done = cnn("eval", "--require", text)
        assert done.code == 2
        assert "write it like accuracy>=0.97" in done.err


def test_a_requirement_is_answered_as_it_is_written(cnn: Cnn, trained: Path) -> None:
    values = found(cnn)
    for text, value in (
        ("accuracy>100%", f"{100 * values['accuracy']:.6g} %"),
        ("loss<-1", f"{values['loss']:.6g}"),
        ("top5>0", "none"),  # of three classes
    ):
        done = cnn("eval", "--require", text)
        assert done.code == 1
        assert done.err.splitlines()[-1] == f"error: required {text}, found {value}"


def test_a_network_whose_numbers_have_ended(cnn: Cnn, trained: Path) -> None:
    stored = load(trained / "best.npz")
    arrays = {name: np.full_like(values, np.nan) for name, values in stored.arrays.items() if values.dtype.kind == "f"}
    save(Path("ended.npz"), {**stored.arrays, **arrays}, stored.meta)
    values = found(cnn, "ended.npz")
    assert (values["loss"], values["ece"], values["reliability"]) == (None, None, None)
    assert all(row["probability"] is None for row in values["mistakes"])
    text = cnn("eval", "ended.npz", "--reliability")
    assert text.code == 0
    assert "ECE" not in text.out
    done = cnn("eval", "ended.npz", "--require", "loss<0.2")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "error: required loss<0.2, found none"


def test_calibration_is_stored_and_used(cnn: Cnn, folder: Path) -> None:
    assert cnn("train", "tiny.yaml", "train.epochs=1", "data.validation=0.5").code == 0
    before = found(cnn, "--predictions", "before.csv")
    assert before["temperature"] is None
    done = cnn("eval", "--calibrate", "--json", "--predictions", "after.csv")
    assert done.code == 0
    assert "calibrated on 30 validation images: temperature " in done.err
    assert "stored in runs/tiny/best.npz" in done.err
    after = json.loads(done.out)
    temperature = after["temperature"]
    assert load(Path("runs/tiny/best.npz")).meta["temperature"] == temperature
    _, cold = table("before.csv")
    _, warm = table("after.csv")
    powers = cold ** (1 / temperature)
    np.testing.assert_allclose(warm, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7)
    assert after["accuracy"] == before["accuracy"]
    assert found(cnn, "--predictions", "again.csv")["loss"] == after["loss"]
    assert Path("again.csv").read_bytes() == Path("after.csv").read_bytes()
    assert cnn("eval", "--calibrate", "--json").code == 0  # again from the network's own outputs
    assert load(Path("runs/tiny/best.npz")).meta["temperature"] == temperature


def test_what_cannot_be_calibrated(cnn: Cnn, folder: Path) -> None:
    assert cnn("train", "tiny.yaml", "data.validation=null").code == 0
    done = cnn("eval", "--calibrate")
    assert done.code == 65
    assert "its run had no validation images" in done.err
    assert cnn("train", "tiny.yaml", "loss=mean_squared_error").code == 0
    done = cnn("eval", "--calibrate")
    assert done.code == 65
    assert "under a squared error scores are no probabilities" in done.err
    assert found(cnn)["ece"] is None


def test_views_of_a_set(cnn: Cnn, trained: Path) -> None:
    one = found(cnn, "--tta", "flip,shift", "--predictions", "a.csv")
    for options in (["--batch-size", "7"], ["--threads", "2"], ["--batch-size", "200"]):
        assert found(cnn, "--tta", "flip,shift", "--predictions", "b.csv", *options) == one
        assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    labels, scores = table("a.csv")
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
    assert one["loss"] == pytest.approx(-np.log(scores[np.arange(len(labels)), labels]).mean(), rel=1e-6)
    assert cnn("eval", "--tta", "flip,flip").code == 2
