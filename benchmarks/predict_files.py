"""`cnn predict` over many image files, beside decoding them alone: how much of the time goes to anything else.

Both are whole commands that walk the folder, started in turns. Decoding alone is our own decoder, by one process and by
as many as there are processors; Python's threads are no rival, as they take turns at its lock.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
from commands import CNN, ROOT, run
from PIL import Image
from rounds import table

import cnncli
from cnncli import runtime

DECODE = """
import os, sys
from cnncli.commands._paths import expanded
from cnncli.datasets._images import decode_image, look_at_each
height, width, channels, processes = map(int, sys.argv[2:])
def look(path, name):
    decode_image(path, (height, width), channels, name)
paths = [(path, path) for path in expanded(sys.argv[1:2])]
look(*paths[0])
number = 0
for other in range(1, processes):
    if not os.fork():
        number = other
        break
failed = any(look_at_each(look, paths[number::processes]))
if number:
    os._exit(failed)
if failed or any(os.wait()[1] for _ in range(1, processes)):
    sys.exit("a process that decodes has failed")
"""


def write_images(folder: Path, count: int, size: int, kind: str) -> None:
    """Blurred noise, which compresses about as much as pictures do; colour for JPEG."""
    rng = np.random.default_rng(0)
    shape = (size // 4 + 1, size // 4 + 1, 3) if kind == "jpg" else (size // 4 + 1, size // 4 + 1)
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
        small.resize((size, size), Image.Resampling.BICUBIC).save(folder / f"{number:06}.{kind}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both, in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default=str(ROOT / "configs/lenet5.yaml"), help="the network, untrained")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=28, help="of the files")
    parser.add_argument("--kind", choices=["png", "jpg"], default="png")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        images, trained = Path(name, "images"), Path(name, "run")
        images.mkdir()
        write_images(images, options.images, options.size, options.kind)
        overrides = ["train.epochs=0", "train.report=false"]
        run(*CNN, "train", options.config, *overrides, "--run", str(trained))
        pixels = cnncli.load(trained).preprocessing
        wanted = [*map(str, pixels.size), str(pixels.channels)]
        sides = {"cnn predict": [*CNN, "predict", str(images), "--checkpoint", str(trained)]}
        for processes in sorted({1, runtime.threads()}):
            alone = f"decoding alone, {processes} process{'es' if processes > 1 else ''}"
            sides[alone] = [sys.executable, "-P", "-c", DECODE, str(images), *wanted, str(processes)]
        found: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(options.rounds + 1):
            for side, command in sides.items():
                seconds = run(*command)["wall_s"]
                if number:  # the first is of cold files
                    found[side].append(seconds)
    ours = found["cnn predict"]
    rows = [
        (side, f"{median(times):.2f}", f"{min(times):.2f}", f"{median(times) / median(ours):.2f}")
        for side, times in found.items()
    ]
    print(table((f"{options.images:,} {options.kind} of {options.size}x{options.size}", "s", "least", "/ ours"), rows))
    if options.json:
        Path(options.json).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
