"""Networks of ours and the same in PyTorch: do they agree, and how long do steps and passes take?

For each config the network is built twice from the same YAML, with the same weights. Outputs, loss, all gradients and
running statistics of a batch must agree in float32 to 1e-4 of a tensor's largest magnitude (dropout off), or the exit
code is 1. The batch holds copies of three random images: where a sum lies within rounding of the kink of a ReLU or of a
tie of a maximum, both sides may rightly choose differently, and gradients jump; few images have few such sums, and up
to ten draws of images are tried. Then training steps and inference are timed in turns (see `rounds`).

Ours is charged for everything that `Trainer` does in a step, from uint8 pixels in memory to new weights; PyTorch finds
its input as a float tensor and its targets in place. It may be contiguous, channels-last or compiled, with the faster
of its foreach and fused optimizers, and in inference ONNX Runtime; the best counts. Where ours has a connection table
PyTorch has full connections, its faster form.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Worker, alternate, between, need, table

TOLERANCE = 1e-4
DRAWS = 10
CONFIGS = Path(__file__).parents[1] / "configs"
USUAL = ("lecun1989", "lenet5", "caffe-lenet", "cifar-quick", "vgg-small", "resnet20")
ON_LINE = ("lecun1989", 1, 1)  # config, batch size, threads: as in 1989


def main() -> None:
    """Compare what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "configs", nargs="*", help=f"files, or names in configs/; by default {', '.join(USUAL)} and lecun1989 on-line"
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="of both sides")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn in a round")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes a minute each")
    parser.add_argument("--check-only", action="store_true", help="compare results, time nothing")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    options = parser.parse_args()
    need("compare_torch.py", "torch")
    compiled = not options.no_compile and shutil.which(os.environ.get("CXX", "c++")) is not None
    jobs = [(name, options.batch_size, options.threads) for name in options.configs or USUAL]
    if not options.configs:
        jobs.append(ON_LINE)
    found = []
    for name, batch_size, threads in jobs:
        path = name if Path(name).suffix else str(CONFIGS / f"{name}.yaml")
        found.append(compare(path, batch_size, threads, compiled, options))
        print(text(found[-1]), flush=True)
    if options.json:
        values = {"machine": platform.processor() or platform.machine(), "networks": found}
        Path(options.json).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    if any(each["agreement"]["difference"] > TOLERANCE for each in found):
        sys.exit(1)


def compare(path: str, batch_size: int, threads: int, compiled: bool, options: argparse.Namespace) -> dict[str, Any]:
    """Check and time one network."""
    from sides import Ours, Theirs

    environment = {"OMP_NUM_THREADS": str(threads)}
    ours = Worker(Ours, environment, path, batch_size, threads)
    theirs = Worker(Theirs, environment | {"TORCHINDUCTOR_FREEZING": "1"}, path, batch_size, threads, compiled)
    for draw in range(DRAWS):
        reference = ours.ask("reference", draw)
        agreement = worst_difference(reference["results"], theirs.ask("results", reference["arrays"], draw))
        agreement["draws"] = draw + 1
        if agreement["difference"] <= TOLERANCE:
            break
    found = {"config": Path(path).stem, "batch_size": batch_size, "threads": threads, "agreement": agreement}
    found |= ours.ask("info")
    if agreement["difference"] <= TOLERANCE and not options.check_only:
        made = theirs.ask("prepare", reference["arrays"])
        found["torch"] = made
        for use, full, part in (("train", "step", "step_packed"), ("infer", "predict", "forward")):
            forms = [name for name in made["forms"] if name.startswith(use)]
            mine, packed = ((form, partial(ours.ask, "times", form, options.seconds)) for form in (full, part))
            others = [(form.split()[1], partial(theirs.ask, "times", form, options.seconds)) for form in forms]
            times = alternate([*between(mine, others), packed], options.rounds)
            found[use] = times | {"ratio": ratio(times, full, [name for name, _ in others])}
    ours.close()
    theirs.close()
    return found


def worst_difference(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> dict[str, Any]:
    """The tensor that differs most, relative to its largest magnitude."""
    if ours.keys() != theirs.keys():
        return {"tensor": f"only one side has {sorted(ours.keys() ^ theirs.keys())}", "difference": float("inf")}
    found = {}
    for name, mine in ours.items():
        scale = max(float(np.abs(mine).max()), float(np.abs(theirs[name]).max()), 1e-30)
        difference = float(np.abs(mine.reshape(theirs[name].shape) - theirs[name]).max()) / scale
        found[name] = float("inf") if np.isnan(difference) else difference
    name = max(found, key=found.__getitem__)
    return {"tensor": name, "difference": found[name]}


def ratio(times: dict[str, dict[str, float]], mine: str, others: list[str]) -> dict[str, float | str]:
    """How many times longer the best of the others takes, by medians and by minima."""
    found: dict[str, float | str] = {"best": min(others, key=lambda name: times[name]["median_ms"])}
    for key, name in (("median_ms", "median"), ("min_ms", "min")):
        found[name] = min(times[other][key] for other in others) / times[mine][key]
    return found


def text(found: dict[str, Any]) -> str:
    """A network's part of the report."""
    agreement = found["agreement"]
    agrees = "agree" if agreement["difference"] <= TOLERANCE else "DIFFER"
    draws = f", draw {agreement['draws']} of images" if agreement["draws"] > 1 else ""
    head = (
        f"{found['config']}: batch {found['batch_size']}, {found['threads']} threads, kernels {found['variant']}; "
        f"both sides {agrees}: {agreement['difference']:.1e} at most ({agreement['tensor']}{draws})"
    )
    parts = [head]
    for use, title in (("train", "training step"), ("infer", "inference")):
        if use in found:
            times, best = {k: v for k, v in found[use].items() if k != "ratio"}, found[use]["ratio"]
            rows = [(f"  {name}", f"{t['median_ms']:.3f}", f"{t['min_ms']:.3f}") for name, t in times.items()]
            parts.append(table((f"  {title}, ms", "median", "min"), rows))
            parts.append(f"  {best['best']} / ours: {best['median']:.2f} (median), {best['min']:.2f} (min)")
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
