"""A layer by itself in a network: its inputs and gradients under control, everything else poisoned."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from cases import Case
from oracles import ORACLES, Answer, Draw, Tensors

from cnncli import _fast, random, registry
from cnncli.graph import Graph
from cnncli.layers._copy import Copy
from cnncli.losses.base import Loss
from cnncli.network import Network
from cnncli.spec import INPUT, Node

NAME = "layer"
SEED, STEP = 3, 7
RANDOM = Draw(SEED, random.stream(NAME), STEP, 32)
KERNELS = [(variant, dtype) for variant in _fast.available() for dtype in ("float64", "float32")]


class Rig:
    """A network around the layer of a case.

    Parameters
    ----------
    case : Case
    batch_size : int
    dtype : {"float32", "float64"}
    variant : str, optional
        Of the kernels.
    threads : int
    behind : bool
        Whether a copy of the input stands before the layer, which may then work in place.
    input_gradient : bool
        Whether the gradient of the layer's input is wanted.
    """

    def __init__(
        self,
        case: Case,
        batch_size: int,
        *,
        dtype: str = "float64",
        variant: str | None = None,
        threads: int = 1,
        behind: bool = False,
        input_gradient: bool = True,
    ) -> None:
        self.layer = case.layer()
        before: list[Node] = []
        inputs: tuple[str, ...] = (INPUT,)
        in_shape = max(case.in_shapes, key=lambda shape: shape[1] * shape[2])
        if type(self.layer).several_inputs:
            conv: Any = registry.get("layers", "conv2d")
            for i, shape in enumerate(case.in_shapes):
                before.append(Node(f"before_{i}", conv(out_channels=shape[0], kernel_size=(1, 1)), (INPUT,)))
                if shape[1:] != in_shape[1:]:
                    before.append(Node(f"mean_{i}", registry.get("layers", "global_avg_pool2d")(), (f"before_{i}",)))
                inputs = (*(inputs if i else ()), before[-1].name)
        elif behind:
            before.append(Node("before", Copy(), (INPUT,)))
            inputs = ("before",)
        self.graph = Graph([*before, Node(NAME, self.layer, inputs)], in_shape, Loss())
        self.network = Network(
            self.graph, batch_size, training=True, dtype=dtype, threads=threads, seed=SEED,
            input_gradient=input_gradient, variant=variant,
        )  # fmt: skip
        self.buffers = self.network.buffers(NAME)

    def forward(self, xs: list[np.ndarray], params: Tensors, *, training: bool = True) -> np.ndarray:
        """The output for inputs of (n, channels, height, width).

        Before, everything to be written is NaN; unused lanes of the inputs hold large numbers, unused blocks NaN.
        """
        b = self.buffers
        self.network.set_batch(len(xs[0]))
        b.step = STEP
        for name, array in params.items():
            b.param[name][...] = array
        poison([b.y, *b.saved.values(), b.real, b.index])
        for maps, images in zip(b.xs, xs, strict=True):
            put(maps, images, unused=1e3)
        self.layer.forward(b, training)
        assert np.isfinite(b.y[: b.blocks]).all(), "not all of the output was written"
        return take(b.y, b.n)

    def backward(self, dy: np.ndarray) -> tuple[tuple[np.ndarray, ...], Tensors]:
        """Gradients of the inputs and of the parameters; unused lanes of `dy` hold zeros, as a loss leaves them."""
        b = self.buffers
        dxs = [dx for dx in b.dxs if dx is not None]
        poison([*dxs, *b.grad.values(), b.real, b.index])
        put(b.dy, dy, unused=0.0)
        self.layer.backward(b)
        for dx in dxs:
            assert np.isfinite(dx[: b.blocks]).all(), "not all of the input's gradient was written"
            assert not take(dx[: b.blocks])[b.n :].any(), "unused lanes must hand on gradients of zero"
        return tuple(take(dx, b.n) for dx in dxs), {name: grad.copy() for name, grad in b.grad.items()}

    def answer(self, xs: list[np.ndarray], params: Tensors, dy: np.ndarray | None = None) -> Answer:
        """Both passes, in training; `dy` is `gradient` if None."""
        y = self.forward(xs, params)
        return Answer(y, *self.backward(gradient(y.shape) if dy is None else dy))


def poison(arrays: Iterable[np.ndarray]) -> None:
    """Fill with what no result may depend on."""
    for array in arrays:
        array.fill(np.nan if array.dtype.kind == "f" else 1)


def put(maps: np.ndarray, images: np.ndarray, unused: float) -> None:
    """Images (n, channels, height, width) into lanes; `unused` into those left over, NaN into blocks left over."""
    blocks, lanes = maps.shape[0], maps.shape[4]
    full = np.full((blocks * lanes, *maps.shape[1:4]), np.nan)
    full[: -(-len(images) // lanes) * lanes] = unused
    full[: len(images)] = images
    maps[...] = np.moveaxis(full.reshape(blocks, lanes, *maps.shape[1:4]), 1, 4)


def take(maps: np.ndarray, n: int | None = None) -> np.ndarray:
    """Images out of lanes: a copy of the first `n`, or of all."""
    return np.moveaxis(maps, 4, 1).reshape(-1, *maps.shape[1:4])[:n].copy()


def _normal(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Normal numbers that float32 holds; the first images do not depend on how many there are."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(np.float64)


def gradient(shape: tuple[int, ...]) -> np.ndarray:
    """Gradients of outputs."""
    return _normal(shape, 1)


def inputs(case: Case, n: int, *, whole: bool = False) -> list[np.ndarray]:
    """Images for each input of a layer; small whole numbers, so that many are equal, if `whole`."""
    found = [_normal((n, *shape), zlib.crc32(f"{case} {i}".encode())) for i, shape in enumerate(case.in_shapes)]
    return [np.round(x) for x in found] if whole else found


def parameters(case: Case) -> Tensors:
    """Parameters as they start, but away from zeros and ones."""
    found = {}
    for name, param in case.layer().plan(case.in_shapes).params.items():
        start = param.init.draw(param.shape, param.fan_in, param.fan_out, SEED, random.stream(name))
        found[name] = (start + 0.1 * _normal(param.shape, zlib.crc32(name.encode()))).astype(np.float32).astype(float)
    return found


@cache
def expected(case: Case, n: int, lanes: int, *, whole: bool = False) -> Answer:
    """What the oracle says."""
    xs, draw = inputs(case, n, whole=whole), RANDOM._replace(lanes=lanes)
    return ORACLES[case.type](case.layer(), xs, gradient, parameters(case), draw)


def tensors(answer: Answer) -> Tensors:
    """Everything in an answer, by name."""
    dxs = {f"dx[{i}]": dx for i, dx in enumerate(answer.dxs)}
    return {"y": answer.y} | dxs | {f"d{name}": grad for name, grad in answer.grads.items()}


def assert_close(actual: Answer, wanted: Answer, tolerance: float) -> None:
    """Every tensor near the wanted one, relative to the latter's largest element."""
    found, right = tensors(actual), tensors(wanted)
    assert found.keys() == right.keys()
    for name, array in found.items():
        assert array.shape == right[name].shape, name
        largest = np.abs(right[name]).max(initial=0.0) or 1.0
        error = np.abs(array - right[name]).max(initial=0.0) / largest
        assert error <= tolerance, f"{name} is off by {error:.1e} of its largest element"


def assert_same_bits(actual: Answer, wanted: Answer) -> None:
    """Every tensor the same."""
    found, right = tensors(actual), tensors(wanted)
    assert found.keys() == right.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)
