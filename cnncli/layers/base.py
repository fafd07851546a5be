"""What a layer is: hyperparameters, a plan of shapes, and two passes over arrays it does not own.

The three are made in that order and kept apart. A layer is a frozen dataclass of hyperparameters; ``plan`` turns input
shapes into a `LayerPlan` without touching an array; ``forward`` and ``backward`` work on the `Buffers` that
`cnncli.workspace` allocated from that plan. The same layer object therefore serves training, evaluation and both
precisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from cnncli.initializers import ZERO, Initializer

Shape = tuple[int, int, int]  # (channels, height, width) of one sample; a vector of F features is (F, 1, 1)
Frame = tuple[int, int, int, int]  # samples added above, below, left and right of a map
NO_FRAME: Frame = (0, 0, 0, 0)
Rectifies = Literal["never", "forward", "both"]


@dataclass(frozen=True)
class Param:
    """A trained tensor.

    Attributes
    ----------
    shape : tuple of int
        In PyTorch's order, for example (out, in / groups, kernel height, kernel width).
    init : Initializer
        What it starts as.
    fan_in, fan_out : int
        Inputs connected to one output unit, and outputs fed by one input (bias not counted).
    decay : float
        Factor on the weight decay; 0 (False) where it does not apply.
    rate : float
        Factor on the learning rate; 0 where the tensor is frozen.
    used : ndarray of bool, shape (out, in), optional
        Of a convolution with a connection table: only these kernels exist, as (connections, rows, columns). Files hold
        them as (out, in, rows, columns) with zeros elsewhere (`dense` and `ragged` convert).
    """

    shape: tuple[int, ...]
    init: Initializer = ZERO
    fan_in: int = 1
    fan_out: int = 1
    decay: float = True
    rate: float = 1.0
    used: np.ndarray | None = None

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape that files hold."""
        return self.shape if self.used is None else (*self.used.shape, *self.shape[1:])

    def dense(self, array: np.ndarray) -> np.ndarray:
        """A tensor as files hold it."""
        if self.used is None:
            return array
        full = np.zeros(self.stored_shape, array.dtype)
        full[self.used] = array
        return full

    def ragged(self, stored: np.ndarray) -> np.ndarray:
        """A tensor from a file as the kernels want it."""
        return stored if self.used is None else stored[self.used]


@dataclass(frozen=True)
class Saved:
    """An array that forward keeps for backward.

    Attributes
    ----------
    shape : tuple of int
        Per sample for ``per="lane"`` (the array is then [block, *shape, lane]), else of one entry.
    per : {"lane", "block", "batch", "node"}
        Whether there is one for every image, every block, every block of the whole batch even where it is divided
        between processes, or one in all.
    dtype : str
        Name of a numpy dtype, or ``"real"`` for the network's precision.
    """

    shape: tuple[int, ...]
    per: Literal["lane", "block", "batch", "node"] = "lane"
    dtype: str = "real"


@dataclass(frozen=True)
class Scratch:
    """Working memory of one node in elements, shared between the nodes.

    `real` is a function of (kernels, blocks, lanes, threads), `index` (int32) one of the kernels.
    """

    real: Callable[[Any, int, int, int], int] = lambda kernels, blocks, lanes, threads: 0
    index: Callable[[Any], int] = lambda kernels: 0


@dataclass(frozen=True)
class LayerPlan:
    """Everything about a layer that follows from the shapes of its inputs.

    Attributes
    ----------
    out_shape : Shape
    params : mapping of str to Param
        Trained tensors.
    state : mapping of str to (shape, initial value)
        Tensors that are stored with the network but not trained (running statistics, constant tables).
    constants : mapping of str to ndarray of int
        Lists that follow from the shapes and that the kernels read (int32 in the buffers).
    algorithm : object
        Which of several ways to compute it the shapes call for; the layer's own affair.
    saved : mapping of str to Saved
        What forward keeps for backward.
    scratch : Scratch
    frame : Frame
        Border that forward wants round its input, filled with `frame_value`; forward then reads ``b.x_framed``.
    grad_frame : Frame
        Border of zeros that backward wants round the gradient of its output; it then reads ``b.dy_framed``.
    reads : frozenset of {"x", "y"}
        What backward reads of the forward pass.
    in_place : bool
        The output may lie in the memory of the input (backward then does not read x).
    rectifies : {"never", "forward", "both"}
        Whether forward can cut its output at 0 as it writes it (``b.rectified``), and backward can take gradients only
        where the output is positive: a ReLU behind it then costs nothing.
    hands_on : bool
        The gradient of every input is that of the output (``b.dxs`` may then be ``b.dy`` itself).
    random : bool
        Whether training draws random numbers, keyed by (seed, stream, step).
    macs, connections : int
        Multiply-adds of one sample's forward pass; weights in use, one more per unit for its bias.
    kernel, jump : (int, int)
        Window and step in (rows, columns), from which receptive fields follow.
    """

    out_shape: Shape
    params: Mapping[str, Param] = field(default_factory=dict)
    state: Mapping[str, tuple[tuple[int, ...], float | np.ndarray]] = field(default_factory=dict)
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    algorithm: Any = None
    saved: Mapping[str, Saved] = field(default_factory=dict)
    scratch: Scratch = Scratch()
    frame: Frame = NO_FRAME
    frame_value: float = 0.0
    grad_frame: Frame = NO_FRAME
    reads: frozenset[str] = frozenset()
    in_place: bool = False
    rectifies: Rectifies = "never"
    hands_on: bool = False
    random: bool = False
    macs: int = 0
    connections: int = 0
    kernel: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)

    def tensors(self) -> dict[str, tuple[tuple[int, ...], bytes]]:
        """Shapes of what files hold of the layer, by name, and where tensors are sparse, which kernels there are."""
        found = {
            name: (param.stored_shape, b"" if param.used is None else param.used.tobytes())
            for name, param in self.params.items()
        }
        return found | {name: (shape, b"") for name, (shape, _) in self.state.items()}


class Buffers:
    """The arrays of one node. Activations are [block, channel, row, column, lane] (see `cnncli.workspace`).

    Attributes
    ----------
    x, y : ndarray
        Input and output; `xs` are all inputs of a layer that has several.
    dx, dy : ndarray
        Their gradients; ``dx`` (an entry of `dxs`) is None where nobody wants it.
    x_framed, dy_framed : ndarray
        Views of x and dy with the border that the plan asked for.
    algorithm : object
        The plan's.
    rectified : bool
        Whether a ReLU behind the node is left to it.
    param, grad, state, constants, saved : dict of str to ndarray
    real, index : ndarray
        Scratch memory: floating point and int32.
    kernels : cnncli._fast.Kernels
        The compiled kernels of one instruction set and precision.
    n, blocks, threads : int
        Valid images of the current batch, blocks that hold them, threads to use.
    shard : Shard
        Which part of the whole batch they are (`cnncli.sharding`).
    seed, stream, step : int
        Key of the node's random numbers: the run's seed, the node's own number, the training step.
    """

    __slots__ = (
        "algorithm",
        "blocks",
        "constants",
        "dx",
        "dxs",
        "dy",
        "dy_framed",
        "grad",
        "index",
        "kernels",
        "n",
        "param",
        "real",
        "rectified",
        "saved",
        "seed",
        "shard",
        "state",
        "step",
        "stream",
        "threads",
        "x",
        "x_framed",
        "xs",
        "y",
    )  # fmt: skip

    x: Any
    y: Any
    dx: Any
    dy: Any
    xs: tuple[Any, ...]
    dxs: tuple[Any, ...]
    x_framed: Any
    dy_framed: Any
    algorithm: Any
    rectified: bool
    param: dict[str, np.ndarray]
    grad: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    constants: dict[str, np.ndarray]
    saved: dict[str, np.ndarray]
    real: Any
    index: Any
    kernels: Any
    n: int
    blocks: int
    threads: int
    shard: Any
    seed: int
    stream: int
    step: int


@dataclass(frozen=True)
class Example:
    """A small use of a layer: options as in a config, and the shapes of its inputs."""

    options: Mapping[str, Any]
    in_shapes: tuple[Shape, ...]


class Layer:
    """Base of all layers: one frozen keyword-only dataclass per file, found by its file's name."""

    several_inputs: ClassVar[bool] = False
    examples: ClassVar[tuple[Example, ...]] = (Example({}, ((3, 5, 6),)),)  # small uses of it, for `cnn gradcheck`

    def plan(self, in_shapes: Sequence[Shape]) -> LayerPlan:
        """Work out shapes, parameters and memory for inputs of the given shapes.

        Raises
        ------
        ShapeError
            If the layer does not fit them; the message leaves the node's name to the caller.
        """
        raise AssertionError(f"{type(self).__name__} has no plan")

    def forward(self, b: Buffers, training: bool) -> None:
        """Write ``b.y`` (and ``b.saved``)."""
        raise AssertionError(f"{type(self).__name__} has no forward pass")

    def backward(self, b: Buffers) -> None:
        """Write ``b.dx`` where it is wanted and every ``b.grad``, overwriting what is there.

        They are the gradients of what forward did last, in training or (a frozen layer) as in evaluation.
        """
        raise AssertionError(f"{type(self).__name__} has no backward pass")

    def choices(self, b: Buffers) -> np.ndarray | None:
        """What the last forward pass decided discretely (a mask, the place of a maximum): gradcheck's kinks."""
        return None
