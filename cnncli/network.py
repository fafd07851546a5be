"""A graph with memory: parameters, activations and gradients, and the two passes over them.

All parameters lie in one aligned vector, all their gradients in another; the arrays of a layer are views (`Buffers`).
Nothing is allocated after construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnncli import _fast, fuse, lifetimes, random
from cnncli.binding import bind
from cnncli.budget import Budget
from cnncli.gathering import Sharing, Split
from cnncli.graph import Graph
from cnncli.layers.base import Buffers, Layer, Param
from cnncli.lifetimes import Kind
from cnncli.losses.base import LossBuffers
from cnncli.sharding import Shard
from cnncli.spec import INPUT
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
    shard : Shard, optional
        Which part of each batch of `batch_size` is here, where a batch is divided between processes.

    Attributes
    ----------
    graph : Graph
        What is computed.
    batch_size : int
        Images that have room here.
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
        shard: Shard | None = None,
    ) -> None:
        self.graph = graph = fuse.simplified(graph) if fused else graph
        self.fused = fuse.rectified(graph) if fused else {}
        self.lanes = lanes_for(batch_size)
        self.shard = shard or Shard(batch_size, self.lanes)
        self.batch_size = batch_size = self.shard.capacity
        self.dtype = np.dtype(dtype)
        self.threads = threads
        self.kernels = _fast.kernels(dtype, variant)
        self._budget = Budget(batch_size)
        self.blocks = -(-batch_size // self.lanes)
        self.segments = Segments.of(graph.params)
        self._budget.vector(self.segments.size, self.dtype.itemsize * (2 if training else 1))
        self.theta = aligned((self.segments.size,), dtype)
        shared = Segments.of(_of_sharers(graph))
        self._sums = aligned((self.segments.size + shared.size if training else 0,), dtype)
        self.grad = self._sums[: self.segments.size]
        self.param = self.segments.views(self.theta)
        self.param_grad = self.segments.views(self.grad) if training else {}
        self.shared_grad = shared.views(self._sums[self.segments.size :]) if training else {}
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
            self._buffers[node.name] = bind(node, self, values, gradients, edges, scratch, seed)
        carried_out = set(self.fused.values())
        self.forward_steps = [(node, self._buffers[node.name]) for node in graph.nodes if node.name not in carried_out]
        self._random = [self._buffers[name] for name, plan in graph.plans.items() if plan.random]
        carried_out = {
            relu for name, relu in self.fused.items() if graph.plans[name].rectifies == "both" or relu in splits
        }
        self.backward_steps: list[tuple[str, Layer | Split, Buffers]] = []
        for node in reversed(graph.nodes):
            b = self._buffers[node.name]
            if node.name in splits:
                self.backward_steps.append((node.name, splits[node.name], b))
            if needed[node.name] and node.name not in carried_out:
                self.backward_steps.append((node.name, node.layer, b))
        if INPUT in splits:
            self.backward_steps.append((INPUT, splits[INPUT], b))
        self._final = self.segments.final_from([name for name, *_ in self.backward_steps])
        self._adding = self.shard.adding(self._sums, self.segments.size)
        self._sharing: list[tuple[Sharing, Buffers]] = []
        for node in graph.nodes:
            if node.share is not None and needed[node.name] and training:
                b = self._buffers[node.name]
                totals = [self.param_grad[f"{node.share}.{key}"] for key in b.grad]
                self._sharing.append((Sharing(list(b.grad.values()), totals), b))
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

    def _bind_loss(self, values: dict[str, Maps], gradients: dict[str, Maps]) -> LossBuffers:
        output = self.graph.output
        b = LossBuffers()
        b.x = values[output].inside
        b.y = self._maps(Kind(self.graph.shapes[output])).inside
        b.dx = gradients[output].inside if output in gradients else None
        b.target, b.shares = self.target, None
        self._losses = np.zeros((self.shard.blocks, self.lanes))  # of the whole batch
        self._all_losses = self._losses.reshape(-1)
        b.losses = self._losses[self.shard.own].reshape(-1)
        b.kernels, b.shard = self.kernels, self.shard
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

    def limit_threads(self, threads: int) -> None:
        """Use no more threads than so many, of those there are."""
        self.threads = min(threads, self.threads)
        for b in self._buffers.values():
            b.threads = self.threads

    def set_batch(self, n: int, whole: int | None = None) -> None:
        """Say how many images are valid here, and how many the whole batch has, if that is divided."""
        self.shard.images = n if whole is None else whole
        if n == self.n:
            return
        blocks = -(-n // self.lanes)
        for b in self._buffers.values():
            b.n, b.blocks = n, blocks
        self.loss.n, self.loss.blocks = n, blocks
        self.n = n

    def set_targets(self, labels: np.ndarray, shares: np.ndarray | None = None, whole: int | None = None) -> None:
        """Say what the valid images show, one class or also a share of each, (n, classes); and as `set_batch`."""
        self.set_batch(len(labels), whole)
        self.target[: self.n] = labels
        self.loss.shares = None if shares is None else self._shares
        if shares is not None:
            put_rows(shares, self._shares)

    def forward(self, training: bool = False, step: int = 0) -> None:
        """Run the layers and the loss on the images in `x`."""
        if not self.n:  # all images of the batch are elsewhere
            return
        for b in self._random:
            b.step = step
        for node, b in self.forward_steps:
            node.layer.forward(b, training and not node.frozen)
        self.graph.loss.forward(self.loss)

    def backward(self) -> None:
        """Fill `grad` (and `dx`, if the input's gradient was wanted) from the last forward pass.

        The gradients are those of the whole batch, of which `dx` has the part that is here.
        """
        if self.n:
            self.graph.loss.backward(self.loss)
            for (_, step, b), final in zip(self.backward_steps, self._final, strict=True):
                step.backward(b)
                self._adding.final(final)
        self._adding.finish()
        if self.shard.divided and self.shard.idle:  # those without images know nothing of the batch's statistics
            for array in self.state.values():
                self.shard.group.broadcast(array)
        for sharing, b in self._sharing:
            sharing.backward(b)

    def mean_loss(self) -> float:
        """The mean over all images of the batch in the last forward pass."""
        self.shard.gather(self._losses)
        mean: float = self.kernels.score.mean_loss(self._all_losses, self.lanes, self.shard.images)
        return mean

    def hits(self) -> int:
        """How many images of the batch have their highest score at their target."""
        right: int = self.kernels.score.hits(self.loss.y, self.target, self.n)
        return self.shard.group.total(right)

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


def _of_sharers(graph: Graph) -> dict[str, Param]:
    """The parameters of nodes that work with those of others, whose gradients are made apart from theirs."""
    sharers = [node for node in graph.nodes if node.share is not None]
    return {f"{node.name}.{key}": param for node in sharers for key, param in graph.plans[node.name].params.items()}
