"""``cnn sweep`` killed at any time, and by several processes at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import Cnn, start

from cnncli.runs import RunFolder
from cnncli.sweeping.runner import Fixed, Runner
from cnncli.sweeping.trials import Trial, read_result, read_rows

optuna = pytest.importorskip("optuna")

GRID = ("sweep", "tiny.yaml", "optimizer.sgd.lr=0.05,0.01", "train.batch_size=8,16", "train.epochs=30", "--jobs", "2")
TPE = (
    "sweep",
    "tiny.yaml",
    "optimizer.sgd.lr=log:1e-3..1",
    "train.batch_size=8..32",
    "--search",
    "tpe",
    "--trials",
    "8",
)


def runs(folder: str) -> dict[str, Path]:
    return {path.name: path for path in sorted(Path(folder).iterdir()) if path.is_dir()}


def epochs_done(run: Path) -> list[int]:
    """Every epoch that was ever trained to its end and saved, in the order of the work."""
    return [json.loads(line)["epoch"] for line in (run / "timing.jsonl").read_text().splitlines()]


def background(*args: str) -> subprocess.Popen[str]:
    null = subprocess.DEVNULL
    return start(*args, stdout=null, stderr=null, start_new_session=True)


def kill(process: subprocess.Popen[str], everything: bool) -> None:
    """End a sweep without warning, with or without the trainings that it runs."""
    if everything:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_any_time_it_goes_on_and_repeats_nothing(cnn: Cnn, seed: int) -> None:
    assert cnn(*GRID, "-o", "whole").code == 0
    rng = random.Random(seed)
    for number in range(4):
        process = background(*GRID, "-o", "killed")
        time.sleep(rng.uniform(0.2, 1.2))
        kill(process, everything=number % 2 == 0)
    done = cnn(*GRID, "-o", "killed", "--json")
    assert done.code == 0, done.err
    found, wanted = runs("killed"), runs("whole")
    assert found.keys() == wanted.keys()
    for name, run in found.items():
        for file in ("results.csv", "result.json"):
            assert (run / file).read_bytes() == (wanted[name] / file).read_bytes()
        done_here = epochs_done(run)
        assert len(set(done_here)) == len(done_here), "an epoch that was saved is trained again"
    before = {run: epochs_done(run) for run in found.values()}
    assert cnn(*GRID, "-o", "killed").code == 0
    assert {run: epochs_done(run) for run in found.values()} == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_all_and_says_how_to_go_on(cnn: Cnn, number: signal.Signals) -> None:
    process = start(*GRID, "train.epochs=3000", "-o", "stopped")
    while not list(Path().glob("stopped/*/last.npz")):
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 75
    assert f"stopped by {number.name} with 0 of 4 trials done; the same line goes on" in err
    for run in runs("stopped").values():
        assert not (run / "result.json").exists()
        RunFolder.open(run).close()  # nobody holds it any more
    done = cnn(*GRID, "train.epochs=3000", "-o", "stopped", "--max-time", "1s")
    assert done.code == 75
    assert "stopped by --max-time" in done.err


def test_processes_share_a_grid(cnn: Cnn) -> None:
    processes = [background(*GRID, "-o", "shared") for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for run in runs("shared").values():
        assert epochs_done(run) == list(range(1, 31)), "one process trained it, once"


def test_four_processes_share_a_search(cnn: Cnn) -> None:
    processes = [background(*TPE, "-o", "search") for _ in range(4)]
    time.sleep(1.5)
    kill(processes[0], everything=True)  # what it was at is gone on with by the others
    assert [process.wait(60) for process in processes[1:]] == [0, 0, 0]
    found = runs("search")
    assert list(found) == [f"tpe-{number:03d}" for number in range(8)]
    values = [json.loads((run / "trial.json").read_text())["values"] for run in found.values()]
    assert len({json.dumps(each) for each in values}) == 8, "all trials are distinct"
    for run in found.values():
        assert (run / "result.json").exists()
        assert len(set(epochs_done(run))) == len(epochs_done(run))
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("search/study.journal"))
    study = optuna.load_study(study_name="search", storage=storage)
    assert {trial.user_attrs["run"] for trial in study.trials} == {f"search/{name}" for name in found}
    assert study.best_value == max(
        json.loads((run / "result.json").read_text())["best"]["validation_accuracy"]
        for run in found.values()
        if json.loads((run / "result.json").read_text())["status"] == "done"
    )


def test_a_study_is_its_folders(cnn: Cnn) -> None:
    """Nothing else is needed to go on: not the journal, and not the results of what can be read from checkpoints."""
    line = (*TPE[:-1], "3", "train.epochs=1")
    assert cnn(*line).code == 0
    folder = Path("runs/tiny-sweep")
    values = [(run / "trial.json").read_text() for run in runs(str(folder)).values()]
    (folder / "study.journal").write_bytes(b"torn")
    (folder / "tpe-001/result.json").write_bytes(b'{"values"')
    done = cnn(*line[:-2], "4", "train.epochs=1")
    assert done.code == 0, done.err
    assert [(run / "trial.json").read_text() for run in runs(str(folder)).values()][:3] == values
    assert epochs_done(folder / "tpe-001") == [1], "what is trained is not trained again"
    assert "study" not in done.err
    assert cnn(*line[:-2], "4", "train.epochs=1", "--index", "2").code == 0
    done = cnn("sweep", "tiny.yaml", "train.batch_size=8..32", "--search", "tpe", "--trials", "3")
    assert "is of a search over optimizer.sgd.lr, train.batch_size; -o DIR names another folder" in done.err


class _Hopeless(Fixed):
    def hopeless(self, trial: Trial) -> str | None:
        return "no hope"


def test_a_hopeless_trial_is_stopped_and_saved(folder: Path) -> None:
    trial = Trial(0, folder / "run", {"train.batch_size": "8"})
    ((_, result, here),) = Runner("tiny.yaml", ["train.epochs=9000"], [1], _Hopeless(), lambda: None).run([trial])
    assert (result.status, result.why, here) == ("pruned", "no hope", True)
    assert 0 < result.epochs < 9000
    assert result.best in read_rows(trial.folder)
    assert read_result(trial.folder) == result
    with RunFolder.open(trial.folder) as run:
        stored, _ = run.newest_valid()
    assert stored is not None
    assert stored.meta["progress"]["epoch"] >= result.epochs - 1
