"""A training step divided between processes: its time, what is exchanged, and how far that would scale.

Measured here: steps of 1, 2 and 4 processes in turns, each a run of ``mpiexec`` of its own, with the processors shared
out; the time that the first process spends in exchanges, waiting for others included; and exchanges alone, from which a
start (alpha) and a time per byte (beta) follow. What a step would take on other networks (``--project``) is calculated
from these by `exchange_time`; docs/scaling.md has the results.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rounds import table

from cnncli import launch
from cnncli.graph import Graph
from cnncli.network import Network
from cnncli.optimizers.base import Update
from cnncli.process_group import ProcessGroup
from cnncli.runtime import processors
from cnncli.sharding import Shard
from cnncli.spec import load
from cnncli.workspace import aligned, lanes_for

CONFIGS = Path(__file__).parents[1] / "configs"
SIZES = [2**k for k in range(8, 23, 2)]  # numbers that are added up, for alpha and beta
WIRES = {  # start in seconds, bytes per second: what MPI reaches on them
    "10 Gbit/s Ethernet": (20e-6, 1.1e9),
    "100 Gbit/s InfiniBand": (2e-6, 11e9),
}
EXCHANGES = ("add", "gather", "broadcast", "all", "total", "share", "start_adding", "finish")


@dataclass(frozen=True)
class Net:
    """What the model has to know of a network: numbers to add up, and of each batch normalisation its maps."""

    parameters: int
    maps: tuple[int, ...]

    @classmethod
    def of(cls, graph: Graph) -> Net:
        """A graph's."""
        norms = [plan.out_shape[0] for plan in graph.plans.values() if "running_mean" in plan.state]
        return cls(sum(int(np.prod(param.shape)) for param in graph.params.values()), tuple(norms))


def exchange_time(net: Net, ranks: int, blocks: int, alpha: float, beta: float, tree: bool = True) -> float:
    """Seconds that a step's exchanges take, by alpha-beta: what MPI is known to do with messages of these sizes.

    Gradients: pieces to everybody and sums back, 2 (R - 1) / R of all bytes, in R - 1 messages each way, or log2 R each
    way by a tree. Batch normalisation: three gatherings, forward two of 8 bytes for each map and block, back one of
    twice the size, each with log2 R starts. Losses and hits: two more.
    """
    if ranks == 1:
        return 0.0
    steps, share = math.log2(ranks), (ranks - 1) / ranks
    starts = 2 * steps if tree else 2 * (ranks - 1)
    gradients = starts * alpha + 2 * share * 4 * net.parameters * beta
    norms = sum(3 * steps * alpha + 4 * 8 * maps * blocks * share * beta for maps in net.maps)
    return gradients + norms + 2 * steps * alpha


def graph_of(config: str) -> tuple[Graph, Any]:
    """A config's graph for the images it says, and its spec."""
    spec = load(str(CONFIGS / f"{config}.yaml"))
    assert spec.data.in_shape is not None
    return Graph(spec.model, spec.data.in_shape, spec.loss), spec


class Clock:
    """A group whose exchanges are timed."""

    def __init__(self, group: ProcessGroup) -> None:
        self.seconds = 0.0
        for name in EXCHANGES:
            setattr(group, name, self._timed(getattr(group, name)))

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - began

        return timed


def work(config: str, batch_size: int, threads: int, steps: int, fast: bool) -> dict[str, Any]:
    """One process's part: steps of a network on random images; the times of the first are printed."""
    group = launch.join()
    graph, spec = graph_of(config)
    shard = Shard(batch_size, lanes_for(batch_size), group, exact=not fast)
    network = Network(graph, batch_size, training=True, threads=threads, shard=shard)
    network.initialize(0)
    rng = np.random.default_rng(group.rank)
    network.x[...] = rng.normal(size=network.x.shape)
    classes = graph.shapes[graph.output][0]
    labels = rng.integers(0, classes, shard.capacity)
    segments = network.segments
    update = Update(
        theta=network.theta, grad=network.grad, ends=segments.ends, rates=segments.rates, decays=segments.decays,
        slots={name: aligned(network.theta.shape, network.dtype) for name in spec.optimizer.slots()},
        kernels=network.kernels, threads=threads,
    )  # fmt: skip
    clock = Clock(group)
    times, exchanges = [], []
    for step in range(steps + 3):
        group.most(0)  # all begin together
        clock.seconds = 0.0
        began = time.perf_counter()
        network.set_targets(labels, whole=batch_size)
        network.forward(training=True, step=step)
        network.mean_loss()
        network.backward()
        network.hits()
        spec.optimizer.step(update, 1e-6, step + 1)
        times.append(time.perf_counter() - began)
        exchanges.append(clock.seconds)
    return {"step_ms": 1e3 * median(times[3:]), "exchange_ms": 1e3 * median(exchanges[3:])}


def exchanges_alone(repeats: int) -> dict[str, Any]:
    """Times of adding up vectors of several sizes and of a small gathering, with nothing else to do."""
    group = launch.join()
    order = [(0, rank) for rank in range(1, group.size)]
    found = {}
    for size in SIZES:
        found[str(size)] = _time(partial(group.add, np.zeros(size, np.float32), order), group, repeats)
    small = np.zeros((group.size, 64))
    return {"add_ms": found, "gather_ms": _time(partial(group.gather, small, [1] * group.size), group, repeats)}


def _time(run: Callable[[], None], group: ProcessGroup, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        group.most(0)
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1e3 * median(times)


def measure(ranks: int, *args: object) -> dict[str, Any]:
    """Run this script in so many processes; what the first found."""
    mpiexec = Path(sys.executable).parent / "mpiexec"
    command = [str(mpiexec) if mpiexec.exists() else "mpiexec", "-n", str(ranks), sys.executable, __file__, "--worker"]
    done = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"scaling.py: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def fit(alone: dict[str, Any], ranks: int) -> tuple[float, float]:
    """Alpha and beta of a group, in seconds, by least squares of relative errors."""
    times = {int(size): 1e-3 * ms for size, ms in alone["add_ms"].items()}
    share = 2 * (ranks - 1) / ranks
    rows = np.array([[2 * math.log2(ranks), 4 * size * share] for size in times])
    wanted = np.array(list(times.values()))
    (alpha, beta), *_ = np.linalg.lstsq(rows / wanted[:, None], np.ones(len(wanted)), rcond=None)
    return max(float(alpha), 0.0), float(beta)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", default=["lenet5", "resnet20"], help="names of files in configs/")
    parser.add_argument("--ranks", default="1,2,4", help="numbers of processes, such as 1,2,4")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="of each run")
    parser.add_argument("--fast", action="store_true", help="as with train.reduce: fast")
    parser.add_argument("--alone", action="store_true", help="only exchanges alone")
    parser.add_argument("--project", action="store_true", help="what the model says of 8 to 1,024 machines")
    parser.add_argument("--threads", type=int, help="of each process; by default the processors are shared out")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        found = (
            exchanges_alone(args.steps)
            if args.alone
            else work(args.configs[0], args.batch_size, args.threads, args.steps, args.fast)
        )
        if launch.join().rank == 0:
            print(json.dumps(found), flush=True)
        return
    if args.project:
        project(args.configs, args.steps)
        return
    ranks = [int(text) for text in args.ranks.split(",")]
    fitted = {count: tell_alone(count) for count in ranks if count > 1}
    for config in [] if args.alone else args.configs:
        tell_steps(config, ranks, fitted, args)


def tell_alone(ranks: int) -> tuple[float, float]:
    """Measure exchanges alone, print and return alpha and beta."""
    found = measure(ranks, "--alone", "--steps", 200)
    alpha, beta = fit(found, ranks)
    large = found["add_ms"][str(SIZES[-1])]
    print(
        f"{ranks} processes: alpha {1e6 * alpha:.1f} us, {1e-9 / beta:.2f} GB/s; {4 * SIZES[-1] >> 20} MiB added up in "
        f"{large:.1f} ms, a small gathering {1e3 * found['gather_ms']:.0f} us"
    )
    return alpha, beta


def tell_steps(config: str, ranks: list[int], fitted: dict[int, tuple[float, float]], args: argparse.Namespace) -> None:
    """Measure steps in turns and print them beside the model."""
    times: dict[int, list[dict[str, Any]]] = {count: [] for count in ranks}
    for _ in range(args.rounds):
        for count in ranks:
            threads = args.threads or max(1, processors() // count)
            options = ["--batch-size", args.batch_size, "--threads", threads, "--steps", args.steps]
            times[count].append(measure(count, config, *options, *["--fast"] * args.fast))
    net, blocks = Net.of(graph_of(config)[0]), -(-args.batch_size // 32)
    base = median(each["step_ms"] for each in times[ranks[0]])
    rows = []
    for count, found in times.items():
        steps = [each["step_ms"] for each in found]
        exchange = median(each["exchange_ms"] for each in found)
        model = 1e3 * exchange_time(net, count, blocks, *fitted[count]) if count > 1 else 0.0
        numbers = (median(steps), min(steps), median(steps) / base, exchange, model)
        rows.append((str(count), *(f"{number:.2f}" for number in numbers)))
    head = ("processes", "step, ms", "least", f"over {ranks[0]}'s", "in exchanges, ms", "by the model")
    print(f"\n{config}, batch {args.batch_size}, {net.parameters:,} parameters\n{table(head, rows)}")


def project(configs: list[str], steps: int) -> None:
    """What the model says of machines like this one on two wires: 64 images for each, and 4,096 in all."""
    for config in configs:
        net = Net.of(graph_of(config)[0])
        block = 0.5e-3 * measure(1, config, "--batch-size", 64, "--threads", processors(), "--steps", steps)["step_ms"]
        rows = []
        for ranks in (8, 16, 32, 64, 128, 256, 1024):
            row = [str(ranks)]
            for alpha, rate in WIRES.values():
                for blocks in (2 * ranks, 128):
                    if blocks < ranks:
                        row.append("")
                        continue
                    own = block * -(-blocks // ranks)
                    low, high = (exchange_time(net, ranks, blocks, alpha, 1 / rate, tree) for tree in (True, False))
                    row.append(f"{100 * own / (own + high):.0f}-{100 * own / (own + low):.0f} %")
            rows.append(tuple(row))
        head = ["processes", *(f"{size}, {wire.split()[0]}" for wire in WIRES for size in ("64 each", "4096 in all"))]
        print(f"\n{config}: {1e3 * block:.2f} ms for 32 images here; share of a step that is not exchange")
        print(table(head, rows))


if __name__ == "__main__":
    main()
