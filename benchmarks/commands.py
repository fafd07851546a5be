"""Whole commands beside PyTorch scripts that do the same: one prediction from a cold start, one epoch of LeNet-5.

Both sides are started in turns, as new processes. Times are wall times from start to end, memory is the largest
resident set. Training is an epoch on the IDX files in --data (Fashion-MNIST or MNIST: 54,000 images for training and
6,000 for validation) without augmentation, then the test images.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from rounds import need, table
from torch_scripts import PREDICT, TRAIN

ROOT = Path(__file__).parents[1]
CNN = [sys.executable, "-P", "-m", "cnncli"]  # the package that is installed, not the sources in the current folder

Run = dict[str, Any]


def run(*command: str) -> Run:
    """Wall seconds, peak memory in MB and output of a command; one that fails ends the program."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=error, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)  # tells the memory of this process alone
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        error.seek(0)
        if status:
            sys.exit(f"{' '.join(command)} failed:\n{error.read()}")
        memory = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        return {"wall_s": seconds, "peak_mb": memory, "out": out.read()}


def training(data: str, threads: int, rounds: int, folder: Path) -> dict[str, list[Run]]:
    """Epochs of LeNet-5 on both sides; `folder` then has a run and a checkpoint for `prediction`."""
    script = folder / "train.py"
    script.write_text(TRAIN, encoding="utf-8")
    found: dict[str, list[Run]] = {"ours": [], "torch": []}
    for index in range(rounds):
        ours = folder / f"run{index}"
        options = ["train.epochs=1", f"data.train={data}", "--threads", str(threads), "--run", str(ours)]
        found["ours"].append(run(*CNN, "train", str(ROOT / "configs/lenet5.yaml"), *options))
        timing = (ours / "timing.jsonl").read_text(encoding="utf-8").splitlines()
        found["ours"][-1]["epoch_s"] = json.loads(timing[0])["wall_s"]
        found["torch"].append(run(sys.executable, str(script), data, str(threads), str(folder / "lenet5.pt")))
        found["torch"][-1] |= json.loads(found["torch"][-1]["out"])
    return found


def prediction(rounds: int, folder: Path) -> dict[str, list[Run]]:
    """One image from a cold start on both sides; the first run of each, from cold files, does not count."""
    from PIL import Image

    script, image = folder / "predict.py", folder / "image.png"
    script.write_text(PREDICT, encoding="utf-8")
    Image.effect_noise((28, 28), 80).save(image)
    ours = [*CNN, "predict", str(image), "--checkpoint", str(folder / "run0")]
    theirs = [sys.executable, str(script), str(image), str(folder / "lenet5.pt")]
    found: dict[str, list[Run]] = {"ours": [], "torch": []}
    for _ in range(rounds + 1):
        found["ours"].append(run(*ours))
        found["torch"].append(run(*theirs))
    return {name: runs[1:] for name, runs in found.items()}


def summary(found: dict[str, list[Run]]) -> dict[str, dict[str, float]]:
    """Median, least and largest of what was measured, by side."""
    return {
        side: {
            f"{name}_{what}": function(each[name] for each in runs)
            for name in ("wall_s", "epoch_s", "peak_mb")
            if name in runs[0]
            for what, function in (("median", median), ("min", min), ("max", max))
        }
        for side, runs in found.items()
    }


def text(title: str, sides: dict[str, dict[str, float]]) -> str:
    """A table with both sides and how many times ours theirs is."""
    ours, theirs = sides["ours"], sides["torch"]
    rows = [
        (f"  {name}", f"{ours[name]:.3f}", f"{theirs[name]:.3f}", f"{theirs[name] / ours[name]:.2f}") for name in ours
    ]
    return table((title, "ours", "torch", "torch / ours"), rows) + "\n"


def main() -> None:
    """Measure both commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="PATH", help="folder with the four IDX files of MNIST's form")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="of both sides, in training")
    parser.add_argument("--rounds", type=int, default=3, help="of training")
    parser.add_argument("--predictions", type=int, default=10, help="rounds of predictions")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    options = parser.parse_args()
    need("commands.py", "torch")
    data = os.path.abspath(options.data)
    with tempfile.TemporaryDirectory() as name:
        trained = summary(training(data, options.threads, options.rounds, Path(name)))
        print(text(f"LeNet-5, one epoch, {options.threads} threads", trained), flush=True)
        predicted = summary(prediction(options.predictions, Path(name)))
        print(text("one prediction", predicted))
    if options.json:
        values = {"training": trained, "prediction": predicted}
        Path(options.json).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
