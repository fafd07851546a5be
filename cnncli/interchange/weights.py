"""Which tensor of another program is which of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnncli.errors import DataError, SpecError
from cnncli.graph import Graph
from cnncli.interchange.program import DERIVED
from cnncli.registry import suggest
from cnncli.texts import shape_text

LISTED = 20


@dataclass(frozen=True)
class Match:
    """What becomes of a tensor.

    Attributes
    ----------
    name : str
        Here; empty where nothing is called so.
    source : str
        There; empty where nothing is.
    here, there : tuple of int or None
        Shapes.
    problem : str
        Why it is not taken, if so.
    """

    name: str
    source: str
    here: tuple[int, ...] | None
    there: tuple[int, ...] | None
    problem: str = ""


def parse_renaming(text: str) -> tuple[str, str]:
    """``OLD=NEW``; SpecError if it is none, or if both have not as many ``*``."""
    old, mark, new = text.partition("=")
    if not (mark and old and new):
        raise SpecError(f"--map {text}: write it like conv1.weight=conv2d_1.weight, or layer1.*=residual_1.*")
    if old.count("*") != new.count("*"):
        raise SpecError(f"--map {text}: both sides need as many *")
    return old, new


def renamed(name: str, renamings: Sequence[tuple[str, str]]) -> str:
    """A name by the first renaming that fits; ``*`` stands for any letters, which are kept."""
    for old, new in renamings:
        pattern = "(.*)".join(map(re.escape, old.split("*")))
        if match := re.fullmatch(pattern, name):
            parts = new.split("*")
            return "".join(part + group for part, group in zip(parts, [*match.groups(), ""], strict=True))
    return name


def match(
    graph: Graph, tensors: Mapping[str, np.ndarray], renamings: Sequence[tuple[str, str]] = (), in_order: bool = False
) -> list[Match]:
    """Pair tensors with those of a network, by name or by their order.

    Parameters
    ----------
    graph : Graph
    tensors : mapping of str to ndarray
    renamings : sequence of (str, str)
        As `renamed` has them.
    in_order : bool
        Whether names do not count: layer by layer, weights before states, as PyTorch lists them.

    Raises
    ------
    SpecError
        A renaming fits no tensor.
    """
    for old, new in renamings:
        if not any(renamed(name, [(old, new)]) != name or name == old for name in tensors):
            raise SpecError(f"--map {old}={new}: no tensor is called so; {suggest(old, tensors)}")
    here = {name: graph.stored_shapes()[name] for name in _layer_by_layer(graph)}
    there = {name: array.shape for name, array in tensors.items() if _is_weight(name, array)}
    if in_order:
        names = [*here, *[""] * max(0, len(there) - len(here))]
        sources = [*there, *[""] * max(0, len(here) - len(there))]
        pairs = list(zip(names, sources, strict=True))
    else:
        by_name = {renamed(name, renamings): name for name in there}
        pairs = [(name, by_name.get(name, "")) for name in here]
        pairs += [("", source) for name, source in by_name.items() if name not in here]
    return [_compared(name, source, here.get(name), there.get(source)) for name, source in pairs]


def _is_weight(name: str, array: np.ndarray) -> bool:
    """Not a shape, a counter, or a constant that an export of ours has added."""
    return array.dtype.kind == "f" and DERIVED not in name.replace(2 * DERIVED, "")


def _layer_by_layer(graph: Graph) -> list[str]:
    return [
        f"{node.name}.{key}"
        for node in graph.nodes
        if node.share is None
        for key in (*graph.plans[node.name].params, *graph.plans[node.name].state)
    ]


def _compared(name: str, source: str, here: tuple[int, ...] | None, there: tuple[int, ...] | None) -> Match:
    problem = ""
    if here is None:
        problem = "no tensor here is called so"
    elif there is None:
        problem = "missing there"
    elif _squeezed(here) != _squeezed(there):
        problem = "another shape"
    return Match(name, source, here, there, problem)


def _squeezed(shape: tuple[int, ...]) -> list[int]:
    """Without axes of one entry: a weight for each map may be (C,) or (C, 1, 1)."""
    return [size for size in shape if size != 1]


def taken(path: str, found: Sequence[Match], tensors: Mapping[str, np.ndarray], partial: bool) -> dict[str, np.ndarray]:
    """The tensors that fit, under our names and in our shapes.

    Raises
    ------
    DataError
        Some do not, and that is not allowed; or one holds numbers that are not finite, or none fits.
    """
    misfits = [each for each in found if each.problem]
    if misfits and not partial:
        lines = [
            f"  {each.name or each.source}: {each.problem}"
            + (f", {shape_text(each.here)} here, {shape_text(each.there)} there" if each.here and each.there else "")
            for each in misfits[:LISTED]
        ]
        if len(misfits) > LISTED:
            lines.append(f"  ... and {len(misfits) - LISTED} more")
        advice = "--map OLD=NEW says what is called otherwise, --in-order goes by order, --partial takes whatever fits"
        raise DataError("\n".join([f"{path} does not fit this network:", *lines, advice]))
    result = {}
    for each in found:
        if not each.problem and each.here is not None:
            array = np.asarray(tensors[each.source]).reshape(each.here)
            if not np.isfinite(array).all():
                raise DataError(f"{path}: {each.source} holds numbers that are not finite")
            result[each.name] = array
    if not result:
        raise DataError(f"{path}: not one tensor fits this network")
    return result
