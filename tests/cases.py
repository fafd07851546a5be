"""The one table of layers in use: every row is put through all tests of ``tests/layers/``.

To test a new layer, add rows here (odd sizes, extremes of every option) and its oracle to `oracles.ORACLES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cnncli import registry
from cnncli.fields import Problem, from_mapping, show
from cnncli.layers.base import Layer, Shape

Options = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A layer with its options as in YAML, and the shapes of its inputs."""

    type: str
    options: Mapping[str, Any] = field(hash=False)
    in_shapes: tuple[Shape, ...]

    def __str__(self) -> str:
        options = ",".join(f"{key}={show(value)}" for key, value in self.options.items())
        shapes = "+".join("x".join(map(str, shape)) for shape in self.in_shapes)
        return f"{self.type}({options})-{shapes}".replace(" ", "")

    def layer(self) -> Layer:
        """The layer, built from its options as a config would have it."""
        problems: list[Problem] = []
        layer: Layer | None = from_mapping(registry.get("layers", self.type), dict(self.options), (), problems)
        assert layer is not None, problems
        return layer


def _conv(out: int, kernel: Any, **options: Any) -> Options:
    return {"out_channels": out, "kernel_size": kernel, **options}


def _pool(kernel: Any, **options: Any) -> Options:
    return {"kernel_size": kernel, **options}


_CONVOLUTIONS: list[tuple[Options, Shape]] = [
    (_conv(1, 1), (1, 1, 1)),
    (_conv(5, 1), (7, 4, 3)),
    (_conv(3, 1, stride=2), (2, 5, 6)),
    (_conv(4, 1, padding=1, pad_value=2.0), (3, 2, 2)),
    (_conv(2, 3), (1, 3, 3)),
    (_conv(6, 5, padding=2), (1, 9, 7)),
    (_conv(16, 5), (6, 6, 6)),
    (_conv(25, 3, padding=1, bias="none"), (3, 4, 8)),
    (_conv(4, [5, 6]), (2, 5, 6)),
    (_conv(3, [4, 1], padding=[3, 0]), (2, 2, 5)),
    (_conv(3, [1, 4], padding=[0, 2]), (2, 5, 3)),
    (_conv(3, 3, stride=2, padding=1), (3, 7, 7)),
    (_conv(3, 3, stride=3), (2, 8, 8)),
    (_conv(2, 2, stride=[3, 5], padding=1), (2, 7, 9)),
    (_conv(2, 3, stride=7), (2, 5, 9)),
    (_conv(3, 3, stride=[1, 2], padding=[0, 3], pad_value=-0.5), (2, 6, 5)),
    (_conv(2, 3, padding=4), (2, 3, 2)),
    (_conv(2, 5, padding=2, stride=2), (3, 1, 1)),
    (_conv(3, 3, dilation=2, padding=2), (2, 6, 5)),
    (_conv(3, [2, 3], dilation=[3, 2], stride=[2, 3], padding=[1, 2]), (2, 9, 8)),
    (_conv(2, 2, dilation=5, padding=4), (1, 3, 4)),
    (_conv(6, 3, groups=3, padding=1), (3, 5, 4)),
    (_conv(6, 3, groups=6, bias="none", stride=2), (6, 6, 5)),
    (_conv(8, 3, groups=4, dilation=2, padding=2, pad_value=1.0), (12, 5, 5)),
    (_conv(13, 3, padding=1), (50, 3, 2)),  # more taps and outputs than the kernels take at once
    (_conv(3, 2, init="glorot", bias=True), (4, 3, 3)),
    (_conv(2, 2, bias="map", init=0.5), (2, 3, 3)),
    (_conv(3, [2, 3], flip=True, padding=1, stride=[1, 2]), (2, 4, 5)),
    (_conv(4, 2, flip=True, groups=2, dilation=2, padding=1, bias=False), (2, 3, 4)),
    (_conv(3, 3, bias="matrix", stride=2, padding=1), (2, 5, 4)),
    (_conv(6, 2, bias="matrix", groups=2), (4, 2, 2)),
    (_conv(2, 1, table=[[1, 1]]), (1, 3, 3)),
    (_conv(3, 2, table="one-to-one", padding=1, pad_value=0.5), (3, 4, 5)),
    (_conv(16, 5, table="lenet5"), (6, 6, 7)),
    (_conv(12, 3, table="nips1989", dilation=2, bias="none"), (4, 5, 6)),
    (_conv(12, 5, table="lecun1989", stride=2, padding=2, pad_value=-1.0, bias="matrix"), (12, 8, 8)),
    (_conv(7, [1, 3], table={"random": {"fan_in": 3, "seed": 1}}, flip=True, stride=[2, 1]), (5, 3, 4)),
    (_conv(2, 4, table=[[0, 1], [1, 0], [0, 0], [1, 0]], padding=5), (4, 2, 1)),
    (_conv(16, 3, padding=1, algorithm="winograd"), (17, 4, 9)),
    (_conv(1, 3, algorithm="winograd", flip=True), (3, 3, 8)),
    (_conv(70, 3, padding=[2, 0], pad_value=0.5, algorithm="winograd", bias="none"), (2, 3, 4)),
    (_conv(3, 3, padding=1, algorithm="winograd", bias="matrix"), (66, 2, 5)),
    (_conv(5, 5, padding=2, algorithm="winograd"), (13, 5, 2)),
    (_conv(25, 5, padding=[4, 1], flip=True, algorithm="winograd"), (2, 3, 8)),
    (_conv(16, 3, padding=1), (16, 8, 8)),  # auto takes winograd
    (_conv(3, 5, algorithm="winograd"), (13, 14, 9)),  # the output has fewer tiles than the input
    (_conv(14, 3, flip=True, algorithm="winograd", bias="none"), (2, 10, 18)),
    (_conv(30, 2, table={"random": {"fan_in": 2}}), (3, 2, 20)),  # more outputs and pixels than fit a tile
    (_conv(3, [2, 1], table={"random": {"fan_in": 14}}, stride=[1, 2], padding=[0, 1], bias="none"), (29, 3, 6)),
    (_conv(4, 3, padding=1, flip=True, table={"random": {"fan_in": 2}}, algorithm="winograd"), (3, 5, 4)),
    (_conv(5, 5, padding=2, table={"random": {"fan_in": 1}}, algorithm="winograd", bias="matrix"), (4, 4, 3)),
    (_conv(16, 3, padding=1, table={"random": {"fan_in": 9}}), (16, 8, 8)),  # auto fills it up
]

_LINEAR: list[tuple[Options, Shape]] = [
    ({"out_features": 1}, (1, 1, 1)),
    ({"out_features": 3, "bias": False}, (5, 2, 3)),
    ({"out_features": 13}, (65, 1, 1)),
    ({"out_features": 64, "init": "glorot"}, (2, 8, 4)),
    ({"out_features": 25, "init": {"normal": 0.1}}, (1, 9, 7)),
    ({"out_features": 10}, (150, 1, 1)),
]

_WINDOWS: list[tuple[Options, Shape]] = [
    (_pool(1), (2, 3, 4)),
    (_pool(2), (3, 5, 7)),
    (_pool([4, 5]), (2, 4, 5)),
    (_pool([1, 3], stride=[1, 2]), (2, 3, 8)),
    (_pool(3, stride=1), (2, 5, 4)),
    (_pool(3, stride=2), (4, 7, 8)),
    (_pool(3, stride=2, ceil_mode=True), (5, 6, 8)),
    (_pool(2, ceil_mode=True), (3, 7, 3)),
    (_pool(2, stride=3), (3, 8, 7)),
    (_pool(2, stride=5, ceil_mode=True), (2, 6, 8)),
    (_pool(2, padding=1), (3, 4, 5)),
    (_pool(2, padding=1, ceil_mode=True), (2, 1, 1)),
    (_pool([3, 4], stride=[3, 1], padding=[1, 2], ceil_mode=True), (2, 5, 5)),
    (_pool(5, stride=1, padding=2), (2, 3, 3)),
]

_LOCAL: list[tuple[Options, Shape]] = [
    (_conv(1, 1), (1, 1, 1)),
    (_conv(7, 3, padding=1), (3, 4, 5)),
    (_conv(3, [2, 3], stride=[2, 1], padding=[0, 2], pad_value=-1.0), (2, 5, 4)),
    (_conv(5, 1, stride=3, bias=False), (4, 7, 6)),
    (_conv(33, 2), (1, 3, 3)),
    (_conv(13, 3, padding=1, init="glorot"), (12, 3, 2)),  # more taps and outputs than the kernels take at once
    (_conv(2, 3, stride=2, padding=2, init=0.5), (2, 2, 2)),
    (_conv(16, 5, padding=2), (8, 2, 1)),  # whole vectors of outputs, several chunks of taps
    (_conv(49, 3), (3, 3, 4)),
]


def _norm(size: int, **options: Any) -> Options:
    return {"kernel_size": size, **options}


_MEANS: list[tuple[Options, Shape]] = [
    ({}, (3, 6, 5)),
    ({"sigma": 0.7}, (1, 10, 3)),
    (_norm(3), (17, 3, 1)),
    (_norm(1, across="none"), (2, 3, 3)),
    (_norm(5, across="none", sigma=1.0), (4, 8, 4)),
    (_norm(3, border="zero"), (2, 5, 4)),
    (_norm(7, border="zero", across="none"), (2, 3, 5)),
    (_norm(5, border="reflect"), (3, 6, 4)),
    (_norm(9, border="reflect", across="none"), (2, 2, 5)),
    (_norm(3, border="valid"), (3, 6, 5)),
    (_norm(5, border="valid", across="none", sigma=1.5), (2, 9, 10)),
]
_FLOORS: list[tuple[Options, Shape]] = [
    (options | {"floor": floor}, shape) for options, shape in _MEANS for floor in ("mean", 0.8)
]

_SHAPES: tuple[Shape, ...] = ((1, 1, 1), (3, 5, 6), (17, 1, 1), (4, 8, 4), (2, 1, 9))
_ANY: list[tuple[Options, Shape]] = [({}, shape) for shape in _SHAPES]

_SHARP: list[tuple[Options, Shape]] = [
    ({"k": 0.05}, (2, 3, 3)),
    ({"k": 40.0}, (2, 3, 3)),
    ({"trained": True}, (5, 4, 3)),
    ({"k": 7.0, "trained": True}, (1, 1, 1)),
]

# Options, then the shapes of the inputs. A map of 8x4 fills a page of memory, which makes the workspace shift channels.
_TABLE: dict[str, list[Any]] = {
    "conv2d": _CONVOLUTIONS,
    "linear": _LINEAR,
    "max_pool2d": _WINDOWS,
    "avg_pool2d": _WINDOWS,
    "global_avg_pool2d": _ANY,
    "batch_norm2d": [*_ANY, ({"eps": 0.1, "momentum": 0.5}, (2, 3, 3))],
    "blur2d": [
        *_ANY,
        *(
            ({"kernel": kernel, "border": border, "stride": stride}, shape)
            for kernel in ("binomial5", "binomial3", "box2")
            for border in ("reflect", "edge", "zero")
            for stride, shape in ((1, (2, 5, 3)), ([2, 3], (3, 4, 8)))
        ),
    ],
    "brightness_norm2d": [
        *_ANY,
        ({"lambda": 0.5, "mu": 0.5}, (5, 3, 4)),
        ({"lambda": 0.1, "kappa": 2, "mu": 1, "window": 2}, (5, 4, 3)),
        ({"lambda": 0.3, "window": 5}, (17, 3, 7)),
        ({"lambda": 0.2, "window": 3, "kappa": 1e-3}, (4, 2, 9)),
        ({"lambda": 0.3, "mu": 0.3, "window": 40}, (3, 2, 2)),
        ({"lambda": 0.3, "mu": 0}, (3, 2, 2)),
        ({"lambda": 0}, (3, 2, 2)),
        ({"lambda": 0.2, "same_map": 1}, (2, 3, 5)),
        ({"lambda": 0.2, "same_map": 2, "mu": 0.9}, (2, 5, 4)),
        ({"lambda": 0.2, "same_map": 3}, (4, 8, 4)),
        ({"lambda": 0.2, "same_map": 50, "mu": 1}, (2, 3, 4)),
    ],
    "contrast_norm2d": _FLOORS,
    "divisive_norm2d": _FLOORS,
    "fixed_filter2d": [
        ({"kernel": kernel, "border": border}, shape)
        for kernel in ("box3", "gaussian5", "binomial3", "sobel_x", "sobel_y", "laplacian", "sharpen")
        for border, shape in (("zero", (2, 3, 4)), ("reflect", (3, 4, 2)), ("edge", (1, 1, 5)), ("valid", (2, 6, 5)))
    ],
    "local2d": _LOCAL,
    "relu": _ANY,
    "abs": _ANY,
    "sigmoid": _ANY,
    "tanh": [*_ANY, ({"A": 1.7159, "S": 0.6666667}, (3, 4, 4)), ({"A": 0.1, "S": 20.0}, (2, 3, 3))],
    "softplus": [*_ANY, *_SHARP],
    "softabs": [*_ANY, *_SHARP],
    "gain": [*_ANY, ({"per": "layer"}, (4, 3, 5)), ({"per": "layer"}, (1, 1, 1)), ({"value": -1.5}, (3, 2, 4))],
    "elu": [*_ANY, ({"alpha": 0.3}, (3, 3, 2))],
    "gelu": [*_ANY, ({"approximate": "tanh"}, (3, 5, 6)), ({"approximate": "tanh"}, (4, 8, 4))],
    "silu": _ANY,
    "hard_swish": _ANY,
    "prelu": [*_ANY, ({"per": "layer"}, (4, 3, 5)), ({"per": "layer"}, (1, 1, 1)), ({"init": -0.5}, (3, 2, 4))],
    "leaky_relu": [*_ANY, ({"slope": 0.2}, (3, 3, 2)), ({"slope": 1.5}, (2, 2, 2))],
    "dropout": [*_ANY, ({"p": 0.0}, (2, 3, 3)), ({"p": 0.9}, (3, 4, 4))],
    "flatten": _ANY,
    "scaled_avg_pool2d": _WINDOWS,
    "subsample2d": [
        *_ANY,
        ({"skip": 0}, (2, 3, 3)),
        ({"skip": [1, 2]}, (3, 5, 9)),
        ({"skip": 4}, (2, 3, 7)),
    ],
    "subtractive_norm2d": _MEANS,
    "layer_norm": [*_ANY[1:], ({"eps": 0.1}, (5, 3, 4)), ({}, (33, 2, 3))],
    "group_norm": [
        *(({"groups": groups}, shape) for groups in (1, 2, 4) for shape in ((4, 8, 4), (8, 3, 5), (24, 1, 1))),
        ({"groups": 17, "eps": 0.1}, (17, 3, 2)),
    ],
    "multiply": [
        ({}, (2, 3, 4), (2, 3, 4)),
        ({}, (4, 8, 4), (4, 1, 1)),
        ({}, (5, 1, 1), (5, 3, 7)),
        ({}, (3, 1, 1), (3, 1, 1)),
    ],
    "add": [
        ({}, (2, 3, 4), (2, 3, 4)),
        ({}, (1, 1, 1), (1, 1, 1)),
        ({}, (4, 8, 4), (4, 8, 4)),
        ({}, (3, 2, 5), (3, 2, 5), (3, 2, 5), (3, 2, 5)),
    ],
    "concat": [
        ({}, (2, 3, 4), (2, 3, 4)),
        ({}, (1, 1, 1), (3, 1, 1)),
        ({}, (4, 8, 4), (1, 8, 4)),
        ({}, (3, 2, 5), (1, 2, 5), (2, 2, 5)),
    ],
}


def _examples(name: str) -> list[Case]:
    layer: Any = registry.get("layers", name)
    return [Case(name, example.options, tuple(example.in_shapes)) for example in layer.examples]


ROWS = [Case(name, options, tuple(shapes)) for name, rows in _TABLE.items() for options, *shapes in rows]
EXAMPLES = [case for name in registry.names("layers") for case in _examples(name)]
CASES = list({str(case): case for case in [*ROWS, *EXAMPLES]}.values())
