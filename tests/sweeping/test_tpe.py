"""A study put together from folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from cnncli.sweeping.axes import read
from cnncli.sweeping.tpe import Search
from cnncli.sweeping.trials import Result, Trial, write_result

ROW = "epoch,step,validation_loss,validation_accuracy\n"


def search(folder: Path, *arguments: str, count: int = 8, prune: bool = True) -> Search:
    return Search(folder, read(arguments).axes, count, "validation_accuracy", True, 0, prune)


def write(folder: Path, number: int, lr: str, accuracies: list[float], done: bool = True) -> Trial:
    """A trial as one leaves it that has trained so far."""
    trial = Trial(number, folder / f"tpe-{number:03d}", {"lr": lr})
    trial.folder.mkdir()
    (trial.folder / "trial.json").write_text(json.dumps({"values": trial.values}))
    rows = [f"{i + 1},{i + 1},{1 - a},{a}\n" for i, a in enumerate(accuracies)]
    (trial.folder / "results.csv").write_text(ROW + "".join(rows))
    if done:
        best = {"epoch": accuracies.index(max(accuracies)) + 1, "validation_accuracy": max(accuracies)}
        write_result(trial, Result("done", "", len(accuracies), best))
    return trial


@pytest.mark.parametrize(
    ("accuracies", "hopeless"),
    [([0.1], False), ([0.5, 0.65], True), ([0.5, 0.75], False), ([0.75, 0.1], False), ([0.5, 0.6, 0.7], True)],
)
def test_worse_than_the_median_of_others_after_as_many_epochs(
    tmp_path: Path, accuracies: list[float], hopeless: bool
) -> None:
    for number, last in enumerate((0.5, 0.6, 0.7, 0.8, 0.9)):  # the median is 0.7 after two epochs, 0.75 after three
        write(tmp_path, number, f"0.{number + 1}", [0.5, last, last + 0.05])
    trial = write(tmp_path, 5, "0.7", accuracies, done=False)
    config = trial.folder / "config.yaml"
    config.write_text("train: {epochs: 4}")
    why = search(tmp_path, "lr=0.1..0.9").hopeless(trial)
    assert why == (f"worse than the median of others after {len(accuracies)} epochs" if hopeless else None)
    assert search(tmp_path, "lr=0.1..0.9", prune=False).hopeless(trial) is None
    config.write_text(f"train: {{epochs: {len(accuracies)}}}")
    assert search(tmp_path, "lr=0.1..0.9").hopeless(trial) is None, "it is at its end anyway"


def test_values_are_chosen_once(tmp_path: Path) -> None:
    first, second = (search(tmp_path, "lr=log:1e-4..1", "n=1..9") for _ in range(2))
    chosen = [first.settle(trial) for trial in first.trials]
    assert [second.settle(trial) for trial in second.trials] == chosen
    assert [trial.values for trial in search(tmp_path, "lr=log:1e-4..1", "n=1..9").trials] == [
        t.values for t in chosen if t
    ]
    assert len({str(trial.values) for trial in chosen if trial}) == 8
    for trial in chosen:
        assert trial is not None
        assert trial.values is not None
        assert 1e-4 <= float(trial.values["lr"]) <= 1
        assert 1 <= int(trial.values["n"]) <= 9


def test_there_may_be_nothing_new_to_try(tmp_path: Path) -> None:
    plan = search(tmp_path, "a=[],[flip],[{shift: 2}]")
    chosen = [trial.values["a"] for trial in map(plan.settle, plan.trials) if trial and trial.values]
    assert sorted(chosen) == ["[]", "[flip]", "[{shift: 2}]"]


def test_it_learns_from_trials(tmp_path: Path) -> None:
    """Where small rates are far better, most that are chosen next are small; by chance a tenth would be."""
    for number in range(30):
        lr = round(0.02 + 0.03 * number, 4)
        write(tmp_path, number, str(lr), [1 - lr])
    plan = search(tmp_path, "lr=0.0..1.0", count=40)
    chosen = [trial.values["lr"] for trial in map(plan.settle, plan.trials[30:]) if trial and trial.values]
    assert sum(float(lr) < 0.2 for lr in chosen) >= 7


def test_trials_outside_of_the_range_now_do_not_count(tmp_path: Path) -> None:
    write(tmp_path, 0, "0.9", [0.5])
    plan = search(tmp_path, "lr=0.1..0.5", count=2)
    settled = plan.settle(plan.trials[1])
    assert settled is not None
    plan.save(tmp_path)
    assert (tmp_path / "study.journal").stat().st_size > 0
