"""The lecture's layers beside the best that PyTorch does: forward and backward of one layer, in turns in one process.

Run ``python benchmarks/lecture_layers.py`` where cnncli and PyTorch are installed. Each row builds a layer of cnncli
(32 maps of 28x28, 64 images, float32, gradient of the input included) and the same function in PyTorch in several
vectorised forms, contiguous and channels-last, each with a backward pass by autograd. Outputs and all gradients are
compared; the fastest form of PyTorch is then timed against cnncli, in turns.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch  # before cnncli, which would shorten the time that threads of OpenMP wait
from torch.nn import functional as F

from cnncli import registry, runtime
from cnncli.fields import from_mapping
from cnncli.graph import Graph
from cnncli.losses.base import Loss
from cnncli.network import Network
from cnncli.spec import INPUT, Node

Tensor = torch.Tensor
Form = Callable[..., Tensor]  # (x, *parameters) -> y
MAPS, SIZE, BATCH = 32, 28, 64
TOLERANCE = 1e-4  # of the largest element


@dataclass(frozen=True)
class Row:
    """A layer of cnncli, what it must reach, and the forms of it in PyTorch."""

    name: str
    type: str
    options: Mapping[str, Any]
    least: float
    forms: Mapping[str, Form]
    shape: tuple[int, int, int] = (MAPS, SIZE, SIZE)
    parameters: Mapping[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)  # from ours to theirs


# -- PyTorch's side ------------------------------------------------------------------------------------------------

TAPS = torch.exp(-((torch.arange(9.0) - 4) ** 2) / 8)
TAPS /= TAPS.sum()
WINDOW = TAPS[:, None] * TAPS
BAND = torch.stack([F.pad(TAPS, (i, SIZE - 1 - i))[4:-4] for i in range(SIZE)])
BAND /= BAND.sum(1, keepdim=True)  # the correction at the border is in the matrix
SHARE = F.conv2d(torch.ones(1, 1, SIZE, SIZE), WINDOW[None, None], padding=4)


def _dense(x: Tensor) -> Tensor:
    """Mean over the window and all maps by one convolution."""
    return F.conv2d(x, (WINDOW / x.shape[1]).expand(1, x.shape[1], 9, 9), padding=4) / SHARE


def _window(x: Tensor) -> Tensor:
    return F.conv2d(x.mean(1, keepdim=True), WINDOW[None, None], padding=4) / SHARE


def _separable(x: Tensor) -> Tensor:
    rows = F.conv2d(x.mean(1, keepdim=True), TAPS.view(1, 1, 9, 1), padding=(4, 0))
    return F.conv2d(rows, TAPS.view(1, 1, 1, 9), padding=(0, 4)) / SHARE


def _matrices(x: Tensor) -> Tensor:
    return BAND @ x.mean(1, keepdim=True) @ BAND.T


def _depthwise(x: Tensor) -> Tensor:
    return F.conv2d(x, WINDOW.expand(x.shape[1], 1, 9, 9), padding=4, groups=x.shape[1]) / SHARE


def _depthwise_separable(x: Tensor) -> Tensor:
    maps = x.shape[1]
    rows = F.conv2d(x, TAPS.view(1, 1, 9, 1).expand(maps, 1, 9, 1), padding=(4, 0), groups=maps)
    return F.conv2d(rows, TAPS.view(1, 1, 1, 9).expand(maps, 1, 1, 9), padding=(0, 4), groups=maps) / SHARE


def _matrices_each(x: Tensor) -> Tensor:
    return BAND @ x @ BAND.T


SHARED: dict[str, Form] = {
    "convolution": _dense, "mean, convolution": _window, "mean, separable": _separable, "mean, matrices": _matrices
}  # fmt: skip
EACH: dict[str, Form] = {
    "depthwise": _depthwise, "depthwise separable": _depthwise_separable, "matrices": _matrices_each
}  # fmt: skip


def _subtractive(mean: Form) -> Form:
    return lambda x: x - mean(x)


def _divisive(mean: Form, each: bool) -> Form:
    def divide(v: Tensor) -> Tensor:
        deviation = mean(v * v).sqrt()
        floor = deviation.mean((2, 3) if each else (1, 2, 3), keepdim=True)
        return v / torch.maximum(deviation, floor).clamp_min(1e-6)

    return divide


def _contrast(mean: Form, each: bool) -> Form:
    subtract, divide = _subtractive(mean), _divisive(mean, each)
    return lambda x: divide(subtract(x))


def _scaled(x: Tensor, energy: Tensor) -> Tensor:
    root = torch.rsqrt(1 + LAMBDA * energy)
    return x * (root * root.sqrt())


LAMBDA, REACH = 0.1, 5
ONES = torch.ones(MAPS, MAPS).triu(-(REACH // 2)).tril(REACH // 2)

BRIGHTNESS: dict[str, Form] = {
    "power": lambda x: x * (1 + LAMBDA * (x * x).sum(1, keepdim=True)) ** -0.75,
    "roots": lambda x: _scaled(x, (x * x).sum(1, keepdim=True)),
}
BRIGHTNESS_WINDOW: dict[str, Form] = {
    "local_response_norm": lambda x: F.local_response_norm(x, REACH, LAMBDA * REACH, 0.75, 1.0),
    "avg_pool3d": lambda x: _scaled(
        x, F.avg_pool3d((x * x)[:, None], (REACH, 1, 1), 1, (REACH // 2, 0, 0), divisor_override=1)[:, 0]
    ),
    "convolution": lambda x: _scaled(x, F.conv2d(x * x, ONES[:, :, None, None])),
    "matrix": lambda x: _scaled(x, (ONES @ (x * x).flatten(2)).view_as(x)),
}
BRIGHTNESS_MAP: dict[str, Form] = {
    "avg_pool2d": lambda x: _scaled(x, F.avg_pool2d(x * x, 3, 1, 1, divisor_override=1)),
    "depthwise": lambda x: _scaled(x, F.conv2d(x * x, torch.ones(MAPS, 1, 3, 3), padding=1, groups=MAPS)),
}


def _local(kernel: int) -> dict[str, Form]:
    """Forms of the locally connected layer; weight (place, input, output), bias (output, row, column)."""

    def einsum(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        columns = F.unfold(x, kernel, padding=kernel // 2)
        return torch.einsum("nkl,lko->nol", columns, weight).reshape(-1, *bias.shape) + bias

    def bmm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        columns = F.unfold(x, kernel, padding=kernel // 2).permute(2, 0, 1)
        return torch.bmm(columns, weight).permute(1, 2, 0).reshape(-1, *bias.shape) + bias

    def views(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        windows = F.pad(x, [kernel // 2] * 4).unfold(2, kernel, 1).unfold(3, kernel, 1)  # n, c, row, column, kernel
        columns = windows.permute(2, 3, 0, 1, 4, 5).reshape(weight.shape[0], x.shape[0], -1)
        return torch.bmm(columns, weight).permute(1, 2, 0).reshape(-1, *bias.shape) + bias

    return {"unfold, einsum": einsum, "unfold, bmm": bmm, "views, bmm": views}


def _conv(padding: int) -> Form:
    return lambda x, weight, bias: F.conv2d(x, weight, bias, padding=padding)


def _conv_matrix(padding: int) -> Form:
    return lambda x, weight, bias: F.conv2d(x, weight, padding=padding) + bias


# -- the table -----------------------------------------------------------------------------------------------------


def _convolution(name: str, kernel: int, padding: int, shape: tuple[int, int, int], **options: Any) -> Row:
    matrix = options.get("bias") == "matrix"
    options = {"kernel_size": kernel, "padding": padding, "out_channels": MAPS} | options
    return Row(
        name, "conv2d", options, 1.5, {"conv2d": (_conv_matrix if matrix else _conv)(padding)}, shape,
        {"weight": np.asarray, "bias": np.asarray},
    )  # fmt: skip


def _local_row(kernel: int) -> Row:
    options = {"out_channels": MAPS, "kernel_size": kernel, "padding": kernel // 2}
    return Row(
        f"local2d {kernel}x{kernel}", "local2d", options, 3.0, _local(kernel),
        parameters={"weight": lambda w: w.reshape(SIZE * SIZE, -1, MAPS), "bias": np.asarray},
    )  # fmt: skip


def rows() -> list[Row]:
    """Everything that is timed."""
    found = []
    for across, means in (("all", SHARED), ("none", EACH)):
        each = across == "none"
        forms: list[tuple[str, dict[str, Form]]] = [
            ("contrast", {name: _contrast(mean, each) for name, mean in means.items()}),
            ("subtractive", {name: _subtractive(mean) for name, mean in means.items()}),
            ("divisive", {name: _divisive(mean, each) for name, mean in means.items()}),
        ]
        found += [Row(f"{kind}_norm2d across {across}", f"{kind}_norm2d", {"across": across}, 3.0, of)
                  for kind, of in forms]  # fmt: skip
    for name, options, of in (
        ("all maps", {}, BRIGHTNESS),
        (f"window {REACH}", {"window": REACH}, BRIGHTNESS_WINDOW),
        ("same map 3x3", {"same_map": 3}, BRIGHTNESS_MAP),
    ):
        found.append(Row(f"brightness_norm2d {name}", "brightness_norm2d", {"lambda": LAMBDA} | options, 3.0, of))
    found += [_local_row(3), _local_row(5)]
    here = (MAPS, SIZE, SIZE)
    for kernel in (3, 5):
        for fan_in in (8, 20):  # 20 of 32: as full as the table of LeNet-5
            table = {"random": {"fan_in": fan_in, "seed": 0}}
            found.append(
                _convolution(f"conv2d {kernel}x{kernel} table {fan_in}/32", kernel, kernel // 2, here, table=table)
            )
        found.append(_convolution(f"conv2d {kernel}x{kernel} bias matrix", kernel, kernel // 2, here, bias="matrix"))
    found.append(_convolution("conv2d table lenet5", 5, 0, (6, 14, 14), out_channels=16, table="lenet5"))
    return found


# -- running -------------------------------------------------------------------------------------------------------


class Ours:
    """A network of one layer with random images and gradients in place."""

    def __init__(self, row: Row, threads: int) -> None:
        problems: list[Any] = []
        self.layer = from_mapping(registry.get("layers", row.type), dict(row.options), (), problems)
        assert self.layer is not None, problems
        graph = Graph([Node("layer", self.layer, (INPUT,))], row.shape, Loss())
        self.network = Network(graph, BATCH, training=True, threads=threads, input_gradient=True)
        self.network.initialize(0)
        self.buffers = b = self.network.buffers("layer")
        self.plan = graph.plans["layer"]
        rng = np.random.default_rng(0)
        if "bias" in b.param:
            b.param["bias"][...] = rng.normal(size=b.param["bias"].shape)
        for maps in (b.x, b.dy):
            maps[...] = rng.normal(size=maps.shape)
        # Were the contrast the same everywhere, many deviations would be their mean but for rounding, where gradients
        # jump.
        b.x[...] *= np.exp(np.linspace(-1, 1, b.x.shape[3]))[:, None]

    def step(self) -> None:
        self.layer.forward(self.buffers, True)
        self.layer.backward(self.buffers)

    def images(self, name: str) -> np.ndarray:
        """x, y, dx or dy as (images, maps, rows, columns)."""
        maps = getattr(self.buffers, name)
        return np.ascontiguousarray(np.moveaxis(maps, 4, 1).reshape(-1, *maps.shape[1:4]))

    def tensors(self, row: Row, of: str) -> list[np.ndarray]:
        """Parameters or gradients ("param" or "grad") in the shapes that the forms in PyTorch want."""
        arrays, params = getattr(self.buffers, of), self.plan.params
        return [turn(params[name].dense(arrays[name])) for name, turn in row.parameters.items()]


class Theirs:
    """One form in PyTorch with the same images, gradients and parameters."""

    def __init__(self, ours: Ours, row: Row, form: Form, layout: torch.memory_format) -> None:
        self.x = torch.tensor(ours.images("x")).contiguous(memory_format=layout).requires_grad_()
        self.dy = torch.tensor(ours.images("dy")).contiguous(memory_format=layout)
        self.parameters = [torch.tensor(array).requires_grad_() for array in ours.tensors(row, "param")]
        used = ours.plan.params["weight"].used if self.parameters else None
        if used is None:
            self.form = form
        else:
            mask = torch.tensor(used)[:, :, None, None].float()
            self.form = lambda x, weight, bias: form(x, weight * mask, bias)

    def step(self) -> list[Tensor]:
        y = self.form(self.x, *self.parameters)
        return [y.detach(), *torch.autograd.grad(y, [self.x, *self.parameters], self.dy)]


def error(ours: Ours, row: Row, theirs: Theirs) -> float:
    """The largest difference of output or gradients, as a part of the largest element."""
    ours.step()
    found = [ours.images("y"), ours.images("dx"), *ours.tensors(row, "grad")]
    wanted = [tensor.numpy() for tensor in theirs.step()]
    return max(
        float(np.abs(a - b).max() / np.abs(b).max()) if a.shape == b.shape else math.inf
        for a, b in zip(found, wanted, strict=True)
    )


def milliseconds(step: Callable[[], Any], calls: int) -> float:
    """Mean time of some calls, after a pause in which other threads fall asleep."""
    time.sleep(0.01)
    step()
    start = time.perf_counter()
    for _ in range(calls):
        step()
    return (time.perf_counter() - start) / calls * 1e3


def calls_for(step: Callable[[], Any], target: float = 30.0) -> int:
    """How many calls take about `target` milliseconds."""
    return max(1, round(target / min(milliseconds(step, 1) for _ in range(3))))


def measure(row: Row, threads: int, rounds: int, compiled: bool) -> dict[str, Any]:
    """Compare results, find PyTorch's fastest form, time it against ours."""
    ours = Ours(row, threads)
    forms: dict[str, Theirs] = {}
    layouts = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
    for name, form in row.forms.items():
        for layout, memory_format in layouts.items():
            forms[f"{name}, {layout}"] = Theirs(ours, row, form, memory_format)
    off = {name: error(ours, row, theirs) for name, theirs in forms.items()}
    wrong = {name: value for name, value in off.items() if value > TOLERANCE}
    if wrong:
        raise SystemExit(f"{row.name}: results differ by {wrong} of the largest element")

    def fastest() -> str:
        return min(forms, key=lambda name: min(milliseconds(forms[name].step, 2) for _ in range(3)))

    if compiled:
        best = forms[fastest()]
        best_form = best.form
        forms["compiled"] = Theirs(ours, row, row.forms[next(iter(row.forms))], torch.contiguous_format)
        forms["compiled"].x, forms["compiled"].dy = best.x, best.dy
        forms["compiled"].form = torch.compile(best_form, dynamic=False)
        off["compiled"] = error(ours, row, forms["compiled"])
    best_name = fastest()
    steps = {"ours": ours.step, "theirs": forms[best_name].step}
    calls = {name: calls_for(step) for name, step in steps.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(milliseconds(step, calls[name]))
    found: dict[str, Any] = {"row": row.name, "form": best_name, "error": max(off.values()), "least": row.least}
    for name, values in times.items():
        found[name] = {"median": statistics.median(values), "minimum": min(values)}
    found["ratio"] = found["theirs"]["median"] / found["ours"]["median"]
    found["ratio_of_minima"] = found["theirs"]["minimum"] / found["ours"]["minimum"]
    if ours.plan.macs:
        found["gflops"] = 6e-6 * ours.plan.macs * BATCH / found["ours"]["median"]  # three passes
    return found


def main() -> None:
    """Time all rows, or those whose name holds one of the words given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only rows whose name holds one of these")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--compile", action="store_true", help="try torch.compile on the fastest form too (slow)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    threads = runtime.threads(args.threads)
    torch.set_num_threads(threads)
    chosen = [row for row in rows() if not args.words or any(word in row.name for word in args.words)]
    found = []
    if not args.json:
        print(f"PyTorch {torch.__version__}, {threads} threads, batch {BATCH}, float32, forward + backward in ms")
        print(f"{'layer':<30} {'ours':>7} {'min':>7} {'PyTorch':>8} {'min':>7} {'ratio':>6} {'of min':>6} {'aim':>4}  "
              f"{'GFLOP/s':>7}  PyTorch's fastest form")  # fmt: skip
    for row in chosen:
        r = measure(row, threads, args.rounds, args.compile)
        found.append(r)
        if not args.json:
            ours, theirs = r["ours"], r["theirs"]
            print(f"{r['row']:<30} {ours['median']:7.2f} {ours['minimum']:7.2f} {theirs['median']:8.2f} "
                  f"{theirs['minimum']:7.2f} {r['ratio']:6.2f} {r['ratio_of_minima']:6.2f} {r['least']:4.1f}  "
                  f"{r.get('gflops', math.nan):7.0f}  {r['form']}", flush=True)  # fmt: skip
    if args.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
