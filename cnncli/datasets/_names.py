"""Names of images that are made when they are asked for: of millions, few are ever shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Names(Sequence[str]):
    """The names of some images.

    Parameters
    ----------
    name : callable
        The name of an image, from its index in the whole set.
    indices : range or ndarray of int
        Which images these are.
    """

    def __init__(self, name: Callable[[int], str], indices: Any) -> None:
        self._name, self._indices = name, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Names(self._name, self._indices[place])
        return self._name(int(self._indices[place]))
