"""Weights of a trained network as the start of another training: what is taken over, what is not, and why.

Tensors are matched by name. What does not fit is an error, unless the user says which layers are to be drawn anew
(`fresh`), or that whatever fits is wanted (`partial`). One case needs no word: where the classes are others, the layers
that answer for them (`head`) are drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from cnncli.checkpoint import Checkpoint
from cnncli.errors import CheckpointError, SpecError
from cnncli.graph import Graph
from cnncli.model import Model
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing
from cnncli.registry import suggest
from cnncli.spec import Normalize, RunSpec
from cnncli.texts import shape_text

FATES = ("matched", "fresh", "skipped")
LISTED = 20  # misfits in a message


@dataclass(frozen=True)
class Tensor:
    """One tensor.

    Attributes
    ----------
    name : str
    here, there : tuple of int or None
        Its shape in the network that is to be trained and in the checkpoint; None where there is none.
    reason : str
        Why it is not taken over; empty if it is.
    expected : bool
        Whether the user knows that it is not.
    """

    name: str
    here: tuple[int, ...] | None
    there: tuple[int, ...] | None
    reason: str = ""
    expected: bool = True

    @property
    def fate(self) -> str:
        """Taken over, drawn anew, or left behind: one of `FATES`."""
        return "matched" if not self.reason else "fresh" if self.here is not None else "skipped"


def head(graph: Graph) -> set[str]:
    """The layers that answer for the classes: back from the output to the first with weights between units."""
    found: set[str] = set()
    nodes = {node.name: node for node in graph.nodes}
    name = graph.output
    while name in nodes:
        found.add(name)
        plan = graph.plans[name]
        if (plan.params and plan.macs) or len(nodes[name].inputs) > 1:
            break
        name = nodes[name].inputs[0]
    return found


@dataclass(frozen=True)
class Start:
    """What a training is to start from.

    Attributes
    ----------
    trained : Model
    fresh : tuple of str
        Names or patterns of layers to be drawn anew whatever the checkpoint holds.
    partial : bool
        Whether to take over whatever fits.
    """

    trained: Model
    fresh: tuple[str, ...] = ()
    partial: bool = False


class Transfer:
    """What becomes of every tensor of a network, and of the one it starts from.

    Parameters
    ----------
    start : Start
    graph : Graph
        What is to be trained.
    classes : sequence of str
        Its classes.

    Attributes
    ----------
    tensors : list of Tensor

    Raises
    ------
    SpecError
        A pattern of ``start.fresh`` fits no layer with parameters.
    CheckpointError
        Tensors do not fit, and nobody has said that they need not.
    """

    def __init__(self, start: Start, graph: Graph, classes: Sequence[str]) -> None:
        self.trained = trained = start.trained
        here, there = graph.stored_shapes(), trained.graph.stored_shapes()
        self._check_patterns(start.fresh, {_layer(name) for name in here})
        reason = _other_classes(trained.classes, classes)
        answering = head(graph) | head(trained.graph) if reason else set()
        self.tensors: list[Tensor] = []
        for name in dict.fromkeys([*here, *there]):
            layer, shapes = _layer(name), (here.get(name), there.get(name))
            if any(fnmatchcase(layer, pattern) for pattern in start.fresh):
                self.tensors.append(Tensor(name, *shapes, "as --fresh says"))
            elif layer in answering:
                self.tensors.append(Tensor(name, *shapes, reason))
            elif shapes[0] == shapes[1]:
                self.tensors.append(Tensor(name, *shapes))
            else:
                misfit = "another shape" if all(shapes) else "not in the other network"
                self.tensors.append(Tensor(name, *shapes, misfit, expected=start.partial))
        self._check_fit()

    def _check_patterns(self, patterns: Sequence[str], layers: set[str]) -> None:
        for pattern in patterns:
            if not any(fnmatchcase(layer, pattern) for layer in layers):
                advice = suggest(pattern, sorted(layers))
                raise SpecError(f"--fresh {pattern}: no layer with parameters is called so; {advice}")

    def _check_fit(self) -> None:
        misfits = [tensor for tensor in self.tensors if not tensor.expected]
        if not misfits:
            return
        lines = [f"  {t.name}: {shape_text(t.here)} here, {shape_text(t.there)} there" for t in misfits]
        if len(lines) > LISTED:
            lines[LISTED:] = [f"  ... and {len(lines) - LISTED} more"]
        layers = list(dict.fromkeys(_layer(tensor.name) for tensor in misfits if tensor.here))
        advice = "--partial takes over whatever fits and draws the rest anew"
        if layers and all(tensor.here for tensor in misfits) and len(layers) <= 3:
            advice = f"{' '.join(f'--fresh {layer}' for layer in layers)} draws these anew; {advice}"
        raise CheckpointError("\n".join([f"{self.trained.path} does not fit this network:", *lines, advice]))

    def apply(self, network: Network) -> None:
        """Copy what is taken over into a network whose other tensors are drawn already."""
        taken = {t.name: self.trained.arrays[t.name] for t in self.tensors if t.fate == "matched"}
        network.load(network.arrays() | taken)

    def record(self) -> dict[str, Any]:
        """Where the weights of a checkpoint came from, as it tells itself."""
        names = {fate: [t.name for t in self.tensors if t.fate == fate] for fate in FATES}
        return {"checkpoint": str(self.trained.path.absolute()), "classes": list(self.trained.classes)} | names


def normalized_as(spec: RunSpec, trained: Preprocessing, channels: int) -> RunSpec:
    """The spec with pixels normalised as the trained layers know them, unless the config says how itself.

    ``normalize: auto`` would take mean and deviation of the new images, and the first layer would be shown another
    brightness and contrast than it was trained on.
    """
    if spec.data.normalize != "auto" or trained.channels != channels:
        return spec
    return replace(spec, data=replace(spec.data, normalize=Normalize(mean=trained.mean, std=trained.std)))


def as_begun(spec: RunSpec, stored: Checkpoint) -> RunSpec:
    """The spec of a run that is gone on with as it was at its start, if it started from a trained network."""
    if "from" not in stored.meta:
        return spec
    preprocessing = Preprocessing.from_dict(stored.meta["preprocessing"])
    return normalized_as(spec, preprocessing, preprocessing.channels)


def _layer(tensor: str) -> str:
    return tensor.rpartition(".")[0]


def _other_classes(before: Sequence[str], now: Sequence[str]) -> str:
    """How the classes differ, in words; empty if they are the same."""
    if len(before) != len(now):
        return f"{len(now)} classes, not {len(before)}"
    return "" if tuple(before) == tuple(now) else "other classes"
