"""Kernels against the machine: share of the multiply-add peak of convolutions, bandwidth of what memory limits.

Every layer is run alone, forward and backward, on a batch of random images, and each call of a kernel is timed. The
peak (`fma_peak`) and the bandwidth of a triad over as much memory are measured before each turn, in the same run.
A share counts the multiply-adds of the direct convolution; an algorithm that needs fewer may exceed what it uses.
Bytes are those that must move at least: every array a kernel reads or writes once, twice where it needs two passes.
A triad also fetches the lines that it overwrites, which is not counted; what works in place may exceed its rate.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from fma_peak import fma_peak, runnable, triad_peak
from rounds import table

CONVOLUTIONS = {  # input channels, size, options
    "3x3 64-64 at 32": (64, 32, {"out_channels": 64, "kernel_size": (3, 3), "padding": (1, 1)}),
    "3x3 128-128 at 16": (128, 16, {"out_channels": 128, "kernel_size": (3, 3), "padding": (1, 1)}),
    "3x3 256-256 at 8": (256, 8, {"out_channels": 256, "kernel_size": (3, 3), "padding": (1, 1)}),
    "3x3 16-16 at 32": (16, 32, {"out_channels": 16, "kernel_size": (3, 3), "padding": (1, 1)}),
    "5x5 32-32 at 16": (32, 16, {"out_channels": 32, "kernel_size": (5, 5), "padding": (2, 2)}),
    "5x5 20-50 at 12": (20, 12, {"out_channels": 50, "kernel_size": (5, 5)}),
    "5x5 1-6 at 28": (1, 28, {"out_channels": 6, "kernel_size": (5, 5), "padding": (2, 2)}),
}
MOVED = {  # maps of 32-bit floats that a kernel reads and writes, in the size of its input; pooling is 2x2
    "pointwise.forward": 2.0,
    "pointwise.backward": 3.0,
    "pool2d.max_forward": 1 + (1 + 0.5) / 4,
    "pool2d.max_backward": 1 + (1 + 0.5) / 4,
    "norm2d.statistics": 1.0,
    "norm2d.normalize": 2.0,
    "norm2d.backward": 5.0,
    "elementwise.add": 2.0,  # both summands are one here
    "elementwise.copy": 2.0,
    "pack.from_images": 1.25,
    "update.sgd": 5.0,
}
MEMORY_BOUND: dict[str, dict[str, Any]] = {
    "relu": {},
    "max_pool2d": {"kernel_size": (2, 2)},
    "batch_norm2d": {},
    "add": {},
}
MAPS = (64, 32)  # channels and size of the maps of memory-bound layers
WEIGHTS = 1_200_000  # of the optimizer's update: those of vgg-small

Times = dict[str, list[float]]


class Recorder:
    """Kernels that keep the times of their calls by ``<module>.<function>``."""

    def __init__(self, kernels: Any, times: Times) -> None:
        self._kernels, self._times = kernels, times

    def __getattr__(self, module: str) -> Any:
        found = _Module(getattr(self._kernels, module), module, self._times)
        setattr(self, module, found)
        return found


class _Module:
    def __init__(self, functions: Any, module: str, times: Times) -> None:
        self._functions, self._module, self._times = functions, module, times

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function, key = getattr(self._functions, name), f"{self._module}.{name}"

        def timed(*args: Any) -> Any:
            began = time.perf_counter()
            answer = function(*args)
            self._times.setdefault(key, []).append(time.perf_counter() - began)
            return answer

        setattr(self, name, timed)
        return timed


def layer_step(
    name: str, options: dict[str, Any], channels: int, size: int, batch_size: int, threads: int, variant: str
) -> tuple[Callable[[], None], Times, int]:
    """Both passes of one layer as a call, the times it records, and the multiply-adds of a batch's pass."""
    from cnncli import registry
    from cnncli.graph import Graph
    from cnncli.layers.base import Layer
    from cnncli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
    from cnncli.network import Network
    from cnncli.spec import INPUT, Node

    layer: Layer = registry.get("layers", name)(**options)
    inputs = (INPUT,) * (2 if layer.several_inputs else 1)
    graph = Graph([Node(name=name, layer=layer, inputs=inputs)], (channels, size, size), SoftmaxCrossEntropy())
    network = Network(graph, batch_size, training=True, threads=threads, input_gradient=True, variant=variant)
    network.initialize(seed=0)
    times: Times = {}
    b = network.buffers(name)
    b.kernels = Recorder(b.kernels, times)
    rng = np.random.default_rng(0)
    for array in (b.x, b.dy):
        array[...] = rng.standard_normal(array.shape, np.float32)

    def step() -> None:
        layer.forward(b, True)
        layer.backward(b)

    return step, times, graph.plans[name].macs * batch_size


def packing(batch_size: int, threads: int, variant: str) -> tuple[Callable[[], None], Times, int]:
    """Packing of a batch of colour images of 32x32 as a call, its times, and the floats it writes."""
    from cnncli import _fast

    times: Times = {}
    kernels = Recorder(_fast.kernels("float32", variant), times)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4 * batch_size, 32, 32, 3), np.uint8)
    x = np.zeros((-(-batch_size // 32), 3, 32, 32, 32), np.float32)
    order = rng.permutation(len(images))[:batch_size]
    scale = np.full(3, 1 / 255)
    return lambda: kernels.pack.from_images(images, order, scale, -scale, x, threads), times, x.size


def update(threads: int, variant: str) -> tuple[Callable[[], None], Times, int]:
    """An optimizer's step with momentum as a call, its times, and the number of weights."""
    from cnncli import _fast

    times: Times = {}
    kernels = Recorder(_fast.kernels("float32", variant), times)
    theta, grad, velocity = (np.full(WEIGHTS, 1e-3, np.float32) for _ in range(3))
    ends, one = np.array([WEIGHTS], np.int64), np.ones(1)

    def step() -> None:
        kernels.update.sgd(theta, grad, velocity, ends, one, one, 1e-9, 0.9, False, 5e-4, threads)

    return step, times, WEIGHTS


def measure(
    label: str,
    made: tuple[Callable[[], None], Times, int],
    unit: Callable[[str], float],
    peak: Callable[[], float],
    rounds: int,
    seconds: float,
) -> list[dict[str, Any]]:
    """Rows of all kernels that a call uses: rate (`unit` of a kernel's name times the size, per second) and share."""
    step, times, size = made
    peaks: list[float] = []
    kept: Times = {}
    for _ in range(rounds):
        peaks.append(peak())
        step()
        times.clear()
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            step()
        for key, found in times.items():
            kept.setdefault(key, []).extend(found)
    rows = []
    for key, found in kept.items():
        if amount := unit(key) * size:
            best, usual = amount / min(found), amount / median(found)
            row = {"what": label, "kernel": key, "median_ms": 1e3 * median(found), "min_ms": 1e3 * min(found)}
            row |= {"rate": usual / 1e9, "peak": median(peaks) / 1e9, "share": usual / median(peaks)}
            rows.append(row | {"share_best": best / max(peaks)})
    return rows


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--variants", nargs="*", help="of the kernels; by default all that run here")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains this")
    parser.add_argument("--algorithm", default="auto", choices=("auto", "direct", "winograd"), help="of convolutions")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="of each turn in a round")
    parser.add_argument("--json", metavar="FILE", help="write the numbers there")
    options = parser.parse_args()
    found = []
    for variant in options.variants or runnable():
        for threads in options.threads:
            rows = list(all_rows(variant, threads, options))
            found += [{"variant": variant, "threads": threads} | row for row in rows]
            print(text(variant, threads, rows), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if not found:
        sys.exit(f"no row contains {options.only!r}")


def all_rows(variant: str, threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of all kernels for one variant and number of threads."""
    batch_size = options.batch_size
    how = (options.rounds, options.seconds)
    found = []
    for label, (channels, size, config) in CONVOLUTIONS.items():
        if options.only in label:
            config = {**config, "algorithm": options.algorithm}
            made = layer_step("conv2d", config, channels, size, batch_size, threads, variant)
            found += measure(label, made, flops, partial(fma_peak, variant, threads), *how)
    channels, size = MAPS
    others: dict[str, Callable[[], tuple[Callable[[], None], Times, int]]] = {
        "packing": lambda: packing(batch_size, threads, variant),
        "update": lambda: update(threads, variant),
    }
    for label in [*MEMORY_BOUND, *others]:
        if options.only in label:
            if label in others:
                made = others[label]()
            else:
                step, times, _ = layer_step(label, MEMORY_BOUND[label], channels, size, batch_size, threads, variant)
                made = step, times, batch_size * channels * size**2
            footprint = 12 * made[2]
            found += measure(
                label,
                made,
                lambda key: 4 * MOVED.get(key, 0.0),
                partial(triad_peak, variant, threads, footprint),
                *how,
            )
    return found


def flops(kernel: str) -> float:
    """Of a multiply-add of a convolution's pass; the sums of a bias have none."""
    return 2.0 if kernel.startswith(("conv2d.", "winograd2d.")) else 0.0


def text(variant: str, threads: int, rows: list[dict[str, Any]]) -> str:
    """The table of one variant and number of threads."""
    cells = [
        (
            f"{row['what']}  {row['kernel']}",
            *(f"{row[key]:.3f}" for key in ("median_ms", "min_ms")),
            *(f"{row[key]:.1f}" for key in ("rate", "peak")),
            *(f"{100 * row[key]:.0f} %" for key in ("share", "share_best")),
        )
        for row in rows
    ]
    title = f"{variant}, {threads} threads (Gflop/s, below GB/s)"
    return table((title, "median ms", "min ms", "rate", "peak", "share", "at best"), cells) + "\n"


if __name__ == "__main__":
    main()
