"""A graph with memory: parameters, activations and gradients, and the two passes over them.

All parameters lie in one aligned vector, all their gradients in another; the arrays of a layer are views (`Buffers`).
Nothing is allocated after construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnncli import _fast, fuse, lifetimes, random
from cnncli.budget import Budget
from cnncli.gathering import Sharing, Split
from cnncli.graph import Graph
from cnncli.layers.base import Buffers, Layer
from cnncli.lifetimes import Kind
from cnncli.losses.base import LossBuffers
from cnncli.spec import INPUT, Node
from cnncli.workspace import Maps, Segments, aligned, lanes_for, put_rows


class Network:
    """The arrays of a graph for batches of up to `batch_size` images.

    Parameters
    ----------
    graph : Graph
    batch_size : int
    training : bool
        Whether gradients are wanted.
    dtype : {"float32", "float64"}
    threads : int
    seed : int
        Of dropout and other randomness in training.
    input_gradient : bool
        Whether the gradient of the images is wanted too.
    variant : str, optional
        Kernels to use instead of the best.
    fused : bool
        Whether to compute less for the same results (see `cnncli.fuse`), in memory that serves several times; else
        every layer of the graph is there, and its arrays can be read after a pass.

    Attributes
    ----------
    graph : Graph
        What is computed.
    fused : dict of str to str
        Layers that carry out the ReLU behind them, and its name.
    theta, grad : ndarray
        All parameters and gradients, flat; `param` and `param_grad` are views by name.
    state : dict of str to ndarray
        Tensors that are stored but not trained, by name.
    x : ndarray
        Where the images go.
    loss : LossBuffers
    """

    def __init__(
        self,
        graph: Graph,
        batch_size: int,
        *,
        training: bool,
        dtype: str = "float32",
        threads: int = 1,
        seed: int = 0,
        input_gradient: bool = False,
        variant: str | None = None,
        fused: bool = True,
    ) -> None:
        self.graph = graph = fuse.simplified(graph) if fused else graph
        self.fused = fuse.rectified(graph) if fused else {}
        self.batch_size = batch_size
        self.dtype = np.dtype(dtype)
        self.threads = threads
        self.kernels = _fast.kernels(dtype, variant)
        self._budget = Budget(batch_size)
        self.lanes = lanes_for(batch_size)
        self.blocks = -(-batch_size // self.lanes)
        self.segments = Segments.of(graph.params)
        self._budget.vector(self.segments.size, self.dtype.itemsize * (2 if training else 1))
        self.theta = aligned((self.segments.size,), dtype)
        self.grad = aligned((self.segments.size if training else 0,), dtype)
        self.param = self.segments.views(self.theta)
        self.param_grad = self.segments.views(self.grad) if training else {}
        self.state: dict[str, np.ndarray] = {}
        self._buffers: dict[str, Buffers] = {}
        needed = graph.needs_gradient(input_gradient)
        owners = lifetimes.owners(graph)
        maps = lifetimes.forward(graph, owners).allocate(self._maps, reuse=fused and not training)
        values = {name: maps[owner] for name, owner in owners.items()}
        gradients: dict[str, Maps] = {}
        edges: dict[lifetimes.Place, Any] = {}
        splits: dict[str, Split] = {}
        if training:
            owners = fuse.gradient_owners(graph, owners)
            cut = {relu for name, relu in self.fused.items() if graph.plans[name].rectifies == "forward"}
            way = lifetimes.backward(graph, owners, needed)
            maps = way.allocate(self._maps, reuse=fused)
            gradients = {name: maps[owner] for name, owner in owners.items() if owner in way.kinds}
            edges = {place: maps[key].inside for place, key in way.edges.items()}
            splits = {
                name: Split(
                    [maps[key].inside for key in keys],
                    gradients[name].inside,
                    values[name].inside if name in cut else None,
                )
                for name, keys in way.shares.items()
            }
        scratch = self._scratch()
        for node in graph.nodes:
            self._buffers[node.name] = self._bind(node, values, gradients, edges, scratch, seed)
        carried_out = set(self.fused.values())
        self.forward_steps = [(node, self._buffers[node.name]) for node in graph.nodes if node.name not in carried_out]
        self._random = [self._buffers[name] for name, plan in graph.plans.items() if plan.random]
        carried_out = {
            relu for name, relu in self.fused.items() if graph.plans[name].rectifies == "both" or relu in splits
        }
        self.backward_steps: list[tuple[str, Layer | Split | Sharing, Buffers]] = []
        for node in reversed(graph.nodes):
            b = self._buffers[node.name]
            if node.name in splits:
                self.backward_steps.append((node.name, splits[node.name], b))
            if needed[node.name] and node.name not in carried_out:
                self.backward_steps.append((node.name, node.layer, b))
        if INPUT in splits:
            self.backward_steps.append((INPUT, splits[INPUT], b))
        for node in graph.nodes:
            if node.share is not None and needed[node.name] and training:
                b = self._buffers[node.name]
                totals = [self.param_grad[f"{node.share}.{key}"] for key in b.grad]
                self.backward_steps.append((node.name, Sharing(list(b.grad.values()), totals), b))
        self.x = values[INPUT].inside
        self.dx = gradients[INPUT].inside if INPUT in gradients else None
        self.target = np.full(self.blocks * self.lanes, -1, np.int32)
        self.loss = self._bind_loss(values, gradients)
        self._shares = aligned(self.loss.x.shape if training else (0,), dtype)
        self.n = 0
        self.set_batch(batch_size)

    @classmethod
    def for_use(cls, graph: Graph, arrays: Mapping[str, np.ndarray], batch_size: int, threads: int = 1) -> Network:
        """A network for evaluation alone, with its weights in it, names and shapes of which have been checked.

        Batch normalisation becomes a part of the convolution before it, so that scores differ from those of a network
        for training by rounding.
        """
        graph, arrays = fuse.folded(graph, arrays)
        network = cls(graph, batch_size, training=False, threads=threads)
        network.load(arrays)
        return network

    # -- memory ----------------------------------------------------------------------------------------------------

    def _maps(self, kind: Kind) -> Maps:
        self._budget.maps(kind, self.blocks * self.lanes * self.dtype.itemsize)
        return Maps(kind.shape, self.blocks, self.lanes, self.dtype, kind.frame, kind.value)

    def _scratch(self) -> tuple[np.ndarray, np.ndarray]:
        """One work space for all nodes, as large as the neediest wants."""
        plans = self.graph.plans.values()
        real = [p.scratch.real(self.kernels, self.blocks, self.lanes, self.threads) for p in plans]
        index = [p.scratch.index(self.kernels) for p in plans]
        return aligned((max(real, default=0) + 1,), self.dtype), aligned((max(index, default=0) + 1,), np.int32)

    def _bind(
        self,
        node: Node,
        values: dict[str, Maps],
        gradients: dict[str, Maps],
        edges: dict[lifetimes.Place, Any],
        scratch: tuple[np.ndarray, np.ndarray],
        seed: int,
    ) -> Buffers:
        plan = self.graph.plans[node.name]
        b = Buffers()
        b.xs = tuple(values[name].inside for name in node.inputs)
        b.dxs = tuple(edges.get((node.name, i)) for i in range(len(node.inputs)))
        b.x, b.dx = b.xs[0], b.dxs[0]
        b.x_framed = values[node.inputs[0]].framed(plan.frame)
        b.y = values[node.name].inside
        own = gradients.get(node.name)
        b.dy = own.inside if own else None
        b.dy_framed = own.framed(plan.grad_frame) if own else None
        b.param = {key: self.param[f"{node.owner}.{key}"] for key in plan.params}
        b.grad = {key: self.param_grad[f"{node.owner}.{key}"] for key in plan.params} if self.param_grad else {}
        if node.share is not None:  # added to the owner's when both are there
            b.grad = {key: aligned(array.shape, self.dtype) for key, array in b.grad.items()}
        b.state = {
            key: self.state.setdefault(f"{node.owner}.{key}", np.array(np.broadcast_to(value, shape), np.float64))
            for key, (shape, value) in plan.state.items()
        }
        b.constants = {key: np.ascontiguousarray(array, np.int32) for key, array in plan.constants.items()}
        b.saved = {}
        for key, saved in plan.saved.items():
            shape = {
                "lane": (self.blocks, *saved.shape, self.lanes),
                "block": (self.blocks, *saved.shape),
                "node": saved.shape,
            }[saved.per]
            b.saved[key] = aligned(shape, self.dtype if saved.dtype == "real" else saved.dtype)
        b.real, b.index = scratch
        b.algorithm, b.rectified = plan.algorithm, node.name in self.fused
        b.kernels, b.threads = self.kernels, self.threads
        b.seed, b.stream, b.step = seed, random.stream(node.name), 0
        return b

    def _bind_loss(self, values: dict[str, Maps], gradients: dict[str, Maps]) -> LossBuffers:
        output = self.graph.output
        b = LossBuffers()
        b.x = values[output].inside
        b.y = self._maps(Kind(self.graph.shapes[output])).inside
        b.dx = gradients[output].inside if output in gradients else None
        b.target, b.shares = self.target, None
        b.losses = np.zeros(self.blocks * self.lanes)
        b.kernels = self.kernels
        return b

    # -- use -------------------------------------------------------------------------------------------------------

    def initialize(self, seed: int) -> None:
        """Draw every parameter anew; a tensor's numbers depend on the seed and its name."""
        for name, param in self.graph.params.items():
            drawn = param.init.draw(param.shape, param.fan_in, param.fan_out, seed, random.stream(name))
            self.param[name][...] = drawn

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Copy parameters and state in; names and shapes have been checked by the caller."""
        for name, array in self.param.items():
            array[...] = self.graph.params[name].ragged(arrays[name])
        for name, array in self.state.items():
            array[...] = arrays[name]

    def arrays(self) -> dict[str, np.ndarray]:
        """Parameters and state by name, in the shapes of files."""
        return {name: self.graph.params[name].dense(array) for name, array in self.param.items()} | self.state

    def set_batch(self, n: int) -> None:
        """Say how many images of the batch are valid."""
        if n == self.n:
            return
        blocks = -(-n // self.lanes)
        for b in self._buffers.values():
            b.n, b.blocks = n, blocks
        self.loss.n, self.loss.blocks = n, blocks
        self.n = n

    def set_targets(self, labels: np.ndarray, shares: np.ndarray | None = None) -> None:
        """Say how many images are valid and what they show: one class, or also a share of each, (n, classes)."""
        self.set_batch(len(labels))
        self.target[: self.n] = labels
        self.loss.shares = None if shares is None else self._shares
        if shares is not None:
            put_rows(shares, self._shares)

    def forward(self, training: bool = False, step: int = 0) -> None:
        """Run the layers and the loss on the images in `x`."""
        for b in self._random:
            b.step = step
        for node, b in self.forward_steps:
            node.layer.forward(b, training and not node.frozen)
        self.graph.loss.forward(self.loss)

    def backward(self) -> None:
        """Fill `grad` (and `dx`, if the input's gradient was wanted) from the last forward pass."""
        self.graph.loss.backward(self.loss)
        for _, step, b in self.backward_steps:
            step.backward(b)

    def mean_loss(self) -> float:
        """The mean over the valid images of the last forward pass."""
        mean: float = self.kernels.score.mean_loss(self.loss.losses, self.lanes, self.n)
        return mean

    def hits(self) -> int:
        """How many of the valid images have their highest score at their target."""
        right: int = self.kernels.score.hits(self.loss.y, self.target, self.n)
        return right

    def scores(self) -> np.ndarray:
        """Scores of the valid images, (n, classes); a copy."""
        y = self.loss.y[: self.loss.blocks, :, 0, 0]
        return y.transpose(0, 2, 1).reshape(-1, y.shape[1])[: self.n].copy()

    def choices(self) -> list[tuple[str, np.ndarray]]:
        """What the last forward pass decided discretely, by node (copies)."""
        found = [(node.name, node.layer.choices(self._buffers[node.name])) for node in self.graph.nodes]
        return [(name, choice.copy()) for name, choice in found if choice is not None]

    def buffers(self, name: str) -> Buffers:
        """The arrays of one node."""
        return self._buffers[name]
