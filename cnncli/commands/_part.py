"""The labelled images that a trained network is tested on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnncli.datasets._reading import Reading
    from cnncli.datasets.base import Dataset
    from cnncli.model import Model


def part_to_test(model: Model, data: Path | None, reading: Reading | None = None) -> Dataset:
    """The part of `data`, or else of the network's own data, to test on, as far as headers tell."""
    from cnncli.datasets.base import open_data
    from cnncli.errors import DataError
    from cnncli.parts import evaluation_part, with_policy

    reading = with_policy(model.spec.data, reading)
    part = open_data(data, reading).part("test") if data else evaluation_part(model.spec.data, reading)
    if part is None:
        raise DataError(f"{model.path}: its data have no test part; say what to evaluate on with --data PATH")
    return part
