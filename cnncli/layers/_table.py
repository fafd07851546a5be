"""Connection tables: which input maps each output map of a convolution sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cnncli import random
from cnncli.errors import ShapeError
from cnncli.registry import suggest

# One row per input map, one column per output map.
# lenet5: LeCun, Bottou, Bengio and Haffner 1998, table I. nips1989: LeCun et al., "Handwritten digit recognition with a
# back-propagation network", 1989. lecun1989: the scheme is not published; each map sees 8 of 12, here as in A.
# Karpathy's
# reproduction of 2022.
KNOWN = {
    "lenet5": (
        "1000111001111011",
        "1100011100111101",
        "1110001110010111",
        "0111001111001011",
        "0011100111101101",
        "0001110011110111",
    ),
    "nips1989": ("111011000000", "011111000000", "000000111011", "000000011111"),
    "lecun1989": (
        *["111100001111"] * 4,
        *["111111110000"] * 4,
        *["000011111111"] * 4,
    ),
}


@dataclass(frozen=True)
class Table:
    """A connection table as an option: ``full``, ``one-to-one``, a known one, a random one, or a 0/1 matrix."""

    accepts: ClassVar[str] = (
        "full, one-to-one, lenet5, lecun1989, nips1989, {random: {fan_in: N, seed: S}}, "
        "or a 0/1 matrix with one row per input map and one column per output map"
    )
    name: str = "full"
    rows: tuple[tuple[int, ...], ...] = ()
    fan_in: int = 0
    seed: int = 0

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """What `parse` reads, as JSON Schema."""
        numbers = {"fan_in": {"type": "integer", "minimum": 1}, "seed": {"type": "integer", "minimum": 0}}
        closed = {"type": "object", "additionalProperties": False}
        options = closed | {"properties": numbers, "required": ["fan_in"]}
        row = {"type": "array", "items": {"enum": [0, 1]}, "minItems": 1}
        return {
            "anyOf": [
                {"enum": ["full", "one-to-one", *KNOWN]},
                closed | {"properties": {"random": options}, "required": ["random"]},
                {"type": "array", "items": row, "minItems": 1},
            ]
        }

    @classmethod
    def parse(cls, value: Any) -> Table:
        """Read one of the forms that `accepts` names.

        Raises
        ------
        ValueError
            If it is none of them.
        """
        if isinstance(value, str):
            names = ["full", "one-to-one", *KNOWN]
            if value not in names:
                raise ValueError(f"unknown table {value!r}; {suggest(value, names)}")
            return cls(value)
        if isinstance(value, dict) and list(value) == ["random"] and isinstance(value["random"], dict):
            options = {"seed": 0} | value["random"]
            if set(options) == {"fan_in", "seed"} and all(type(v) is int and v >= 0 for v in options.values()):
                if options["fan_in"] < 1:
                    raise ValueError("fan_in must be at least 1")
                return cls("random", fan_in=options["fan_in"], seed=options["seed"])
        if isinstance(value, list) and value and all(isinstance(row, list) and row for row in value):
            if len({len(row) for row in value}) > 1:
                raise ValueError("all rows of a table must have one length")
            if any(type(entry) is not int or entry not in (0, 1) for row in value for entry in row):
                raise ValueError("a table holds only 0 and 1")
            return cls("matrix", rows=tuple(map(tuple, value)))
        raise ValueError(f"must be {cls.accepts}")

    def __str__(self) -> str:
        return self.name

    def plain(self) -> Any:
        """The form that `parse` reads."""
        if self.name == "random":
            return {"random": {"fan_in": self.fan_in, "seed": self.seed}}
        return [list(row) for row in self.rows] if self.name == "matrix" else self.name

    def matrix(self, inputs: int, outputs: int) -> np.ndarray:
        """The table for these numbers of maps, bool (inputs, outputs).

        Raises
        ------
        ShapeError
            If it has another size, or leaves an output map without input.
        """
        if self.name == "full":
            return np.ones((inputs, outputs), bool)
        if self.name == "one-to-one":
            table = np.zeros((inputs, outputs), bool)
            if inputs != outputs:
                raise ShapeError(f"table one-to-one needs as many output as input maps, found {inputs} and {outputs}")
            np.fill_diagonal(table, True)
            return table
        if self.name == "random":
            if self.fan_in > inputs:
                raise ShapeError(f"table: fan_in {self.fan_in} is more than the {inputs} input maps")
            return self._random(inputs, outputs)
        rows = self.rows or tuple(tuple(map(int, row)) for row in KNOWN[self.name])
        table = np.array(rows, bool)
        if table.shape != (inputs, outputs):
            raise ShapeError(
                f"table {self.name} is for {table.shape[0]} input and {table.shape[1]} output maps, "
                f"this layer has {inputs} and {outputs}"
            )
        if not table.any(axis=0).all():
            raise ShapeError(f"table: output map {int(np.argmin(table.any(axis=0)))} sees no input map")
        return table

    def _random(self, inputs: int, outputs: int) -> np.ndarray:
        """Each output map sees `fan_in` maps; taken from shuffled decks, so that all inputs are used evenly."""
        table = np.zeros((inputs, outputs), bool)
        deck: list[int] = []
        shuffles = 0
        for output in range(outputs):
            chosen: list[int] = []
            while len(chosen) < self.fan_in:
                if not deck:
                    deck = random.permutation(self.seed, random.stream("table"), shuffles, inputs).tolist()
                    shuffles += 1
                card = next((map_ for map_ in deck if map_ not in chosen), None)
                if card is None:
                    deck = []
                    continue
                deck.remove(card)
                chosen.append(card)
            table[chosen, output] = True
        return table


FULL = Table()
