"""``cnn sweep``: trials as runs, compared."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Cnn
from PIL import Image

from cnncli.sweeping import tpe

LINE = ("optimizer.sgd.lr=0.05,0.001", "train.batch_size=16,30", "train.epochs=2")
FOLDER = Path("runs/tiny-sweep")
NAMES = ["lr=0.001,batch_size=16", "lr=0.001,batch_size=30", "lr=0.05,batch_size=16", "lr=0.05,batch_size=30"]


def trials(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def contents(folder: Path) -> dict[str, list[bytes]]:
    """What must not depend on how the trials of a sweep were run."""
    return {
        run.name: [(run / name).read_bytes() for name in ("results.csv", "metrics.jsonl")] for run in trials(folder)
    }


def objects(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_grid(cnn: Cnn) -> None:
    done = cnn("sweep", "tiny.yaml", *LINE, "--jobs", "2")
    assert done.code == 0, done.err
    assert [run.name for run in trials(FOLDER)] == NAMES
    lines = done.out.splitlines()
    assert lines[0].split() == ["lr", "batch_size", "validation", "accuracy", "epoch", "trial"]
    shown = [float(line.split()[2]) for line in lines[1:5]]
    assert shown == sorted(shown, reverse=True)
    rows = list(csv.DictReader((FOLDER / "sweep.csv").read_text().splitlines()))
    assert [(row["trial"], row["optimizer.sgd.lr"], row["train.batch_size"]) for row in rows] == [
        ("0", "0.05", "16"), ("1", "0.05", "30"), ("2", "0.001", "16"), ("3", "0.001", "30"),
    ]  # fmt: skip
    for row in rows:
        history = list(csv.DictReader((Path(row["run"]) / "results.csv").read_text().splitlines()))
        best = history[int(row["best_epoch"]) - 1]
        assert float(row["validation_accuracy"]) == max(float(epoch["validation_accuracy"]) for epoch in history)
        assert float(row["train_loss"]) == float(best["train_loss"])
    best = max(rows, key=lambda row: float(row["validation_accuracy"]))
    assert f"{100 * float(best['validation_accuracy']):.1f} %" in lines[1]
    picture = np.asarray(Image.open(FOLDER / "sweep.png").convert("RGB"))
    for colour in ((0, 114, 178), (213, 94, 0)):
        assert (picture == colour).all(axis=2).any()


def test_a_trial_is_an_ordinary_run(cnn: Cnn) -> None:
    assert cnn("sweep", "tiny.yaml", "train.epochs=1,2").code == 0
    assert cnn("train", "tiny.yaml", "train.epochs=2", "--run", "alone").code == 0
    run = FOLDER / "epochs=2"
    assert (run / "results.csv").read_bytes() == Path("alone/results.csv").read_bytes()
    assert (run / "config.yaml").read_bytes() == Path("alone/config.yaml").read_bytes()
    assert cnn("eval", str(run)).code == 0
    assert cnn("train", "tiny.yaml", "train.report=false", "train.epochs=2", "--run", str(run), "--resume").code == 0


def test_the_same_line_repeats_nothing_and_a_longer_one_adds(cnn: Cnn) -> None:
    assert cnn("sweep", "tiny.yaml", "train.epochs=1,2").code == 0
    times = {path: path.stat().st_mtime_ns for path in FOLDER.glob("*/*")}
    first = cnn("sweep", "tiny.yaml", "train.epochs=1,2", "--json")
    assert cnn("sweep", "tiny.yaml", "train.epochs=1,2,3").code == 0
    assert len(objects(first.out)) == 3
    assert {path: path.stat().st_mtime_ns for path in times if path.name != ".lock"} == {
        path: time for path, time in times.items() if path.name != ".lock"
    }
    assert len(trials(FOLDER)) == 3


def test_indices_in_any_order_give_the_whole_sweep(cnn: Cnn) -> None:
    assert cnn("sweep", "tiny.yaml", *LINE, "-o", "whole").code == 0
    for index in (2, 0, 3, 1):
        done = cnn("sweep", "tiny.yaml", *LINE, "-o", "parts", "--index", str(index), "--json")
        assert done.code == 0, done.err
        assert len(objects(done.out)) == 2
        assert not [path for path in Path("parts").iterdir() if path.is_file()], "no shared files"
    assert contents(Path("parts")) == contents(Path("whole"))
    done = cnn("sweep", "tiny.yaml", *LINE, "-o", "parts")
    assert "4 of them done before" in done.err
    assert (Path("parts/sweep.csv").read_text().replace("parts", "whole")) == Path("whole/sweep.csv").read_text()
    assert cnn("sweep", "tiny.yaml", *LINE, "--index", "4").code == 2


def test_what_diverges_or_fails_is_a_row(cnn: Cnn) -> None:
    line = ("sweep", "tiny.yaml", "optimizer.sgd.lr=0.05,1e38", "data.validation=0.25,nowhere", "train.epochs=1")
    done = cnn(*line)
    assert done.code == 66, done.err
    assert sorted(text.split()[-1] for text in done.out.splitlines()[2:5]) == ["diverged", "failed", "failed"]
    assert "nowhere: there is no such file or folder" in done.out
    assert (FOLDER / "lr=1e+38,validation=0.25/result.json").exists()
    again = cnn(*line)
    assert "2 of them done before" in again.err, "what failed is tried again, what diverged is not"
    assert cnn("sweep", "tiny.yaml", "optimizer.sgd.lr=1e37,1e38", "-o", "all", "train.epochs=1").code == 76


def test_seeds_give_mean_and_spread(cnn: Cnn) -> None:
    done = cnn("sweep", "tiny.yaml", "optimizer.sgd.lr=0.05,0.01", "train.epochs=1", "--seeds", "3", "--json")
    assert done.code == 0, done.err
    *points, summary = objects(done.out)
    assert len(points) == 2
    for point in points:
        runs = point["runs"]
        assert isinstance(runs, list)
        found = [run["validation_accuracy"] for run in runs]
        assert len({run["run"] for run in runs}) == 3
        assert point["validation_accuracy"] == pytest.approx(np.mean(found))
        assert point["spread"] == pytest.approx(np.std(found, ddof=1))
    assert summary["best"] == points[0]["values"]
    done = cnn("sweep", "tiny.yaml", "optimizer.sgd.lr=0.05,0.01", "train.epochs=1", "--seeds", "3")
    assert "± of 3 seeds" in done.out.splitlines()[0]


def test_the_best_is_not_chosen_by_test_accuracy(cnn: Cnn) -> None:
    assert cnn("sweep", "tiny.yaml", "train.epochs=0,2").code == 0
    for name, test in (("epochs=0", 1.0), ("epochs=2", 0.0)):
        path = FOLDER / name / "result.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"test_accuracy": test}))
    summary = objects(cnn("sweep", "tiny.yaml", "train.epochs=0,2", "--json").out)[-1]
    assert (summary["best"], summary["test_accuracy"]) == ({"train.epochs": 2}, 0.0)
    done = cnn("sweep", "tiny.yaml", "train.epochs=0,2", "--metric", "test_accuracy")
    assert done.code == 2
    assert "choose by validation_accuracy" in done.err


def test_a_loss_is_better_when_it_is_lower(cnn: Cnn) -> None:
    line = ("sweep", "tiny.yaml", "optimizer.sgd.lr=0.0,0.05", "--metric", "train_loss", "data.validation=null")
    points = objects(cnn(*line, "--json").out)[:-1]
    assert [point["values"] for point in points] == [{"optimizer.sgd.lr": 0.05}, {"optimizer.sgd.lr": 0.0}]


def test_random_trials_depend_on_the_seed_only(cnn: Cnn) -> None:
    def listed(*options: str) -> list[object]:
        line = (
            "sweep",
            "tiny.yaml",
            "optimizer.sgd.lr=log:1e-3..1",
            "train.batch_size=8..32",
            "--random",
            "-n",
            "--json",
        )
        done = cnn(*line, *options)
        assert done.code == 0, done.err
        return [each["values"] for each in objects(done.out)]

    few = listed("--trials", "4")
    assert few == listed("--trials", "20")[:4], "more trials begin with the same"
    assert few != listed("--trials", "4", "--seed", "1")
    done = cnn("sweep", "tiny.yaml", "train.epochs=1,2,3", "--random", "--trials", "9", "-n")
    assert "there are only 3 different trials" in done.err
    assert not FOLDER.exists(), "nothing is run"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["train.epoch=1,2"], "train.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        (["optimizer.sgd.lr=2..1"], "did you mean 1..2?"),
        (["optimizer.sgd.lr=log:0..1"], "begin above 0"),
        (["optimizer.sgd.lr=1,,2"], "did you mean 1,2?"),
        (["optimizer.sgd.lr=0.1,-1"], "must be at least 0, found -1"),
        (["train.epochs=1"], "give a key several values, such as"),
        (["epochs"], "must look like KEY=VALUE"),
        (["train.epochs=1,2", "data.validation=null"], "add data.validation=0.1"),
        (["train.epochs=1,2", "--trials", "3"], "--trials needs --random"),
        (["train.epochs=1,2", "--random"], "needs --trials N"),
        (["train.epochs=1,2", "--random", "--search", "tpe"], "exclude each other"),
        (["train.epochs=1..999", "train.seed=1..999"], "998,001 trials, more than 10,000"),
        (["train.seed=1,2", "--seeds", "2"], "train.seed and --seeds exclude each other"),
        (
            ["train.epochs=1,2", "--search", "tpe", "--trials", "2", "--seeds", "2"],
            "repeat the best values with --seeds",
        ),
        (["optimizer.sgd.lr=0.0..-1.0", "--search", "tpe", "--trials", "2"], "is empty"),
        (["optimizer.sgd.momentum=0.5..1.5", "--search", "tpe", "--trials", "2"], "found 1.5"),
    ],
)
def test_wrong_lines_start_nothing(cnn: Cnn, args: list[str], text: str) -> None:
    done = cnn("sweep", "tiny.yaml", *args)
    assert (done.code, done.out) == (2, "")
    assert text in done.err
    assert len([line for line in done.err.splitlines() if line.lower().startswith("error: ")]) == 1
    assert not Path("runs").exists()


def test_another_config_needs_another_folder(cnn: Cnn) -> None:
    assert cnn("sweep", "tiny.yaml", "train.epochs=1,2").code == 0
    done = cnn("sweep", "tiny.yaml", "train.epochs=1,2", "train.batch_size=20")
    assert done.code == 2
    assert "was made with another config (train.batch_size: 16 then, 20 now); -o DIR names another folder" in done.err
    assert cnn("sweep", "tiny.yaml", "train.epochs=1,2", "-o", "tiny.yaml").code == 73


def test_more_jobs_than_threads_take_turns(cnn: Cnn) -> None:
    done = cnn("sweep", "tiny.yaml", "train.epochs=1,2,3", "--jobs", "3", "--threads", "1")
    assert done.code == 0
    assert "--jobs 3 with 1 thread: 1 at a time" in done.err
    for run in trials(FOLDER):
        assert json.loads((run / "env.json").read_text())["threads"] == 1


def test_tpe_needs_its_extra(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tpe.importlib.util, "find_spec", lambda _: None)
    done = cnn("sweep", "tiny.yaml", "train.epochs=1,2", "--search", "tpe", "--trials", "2")
    assert done.code == 2
    assert "pip install 'cnncli[hpo]'" in done.err
