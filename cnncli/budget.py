"""How much memory a network may take: seen before any of it is taken."""

from __future__ import annotations

from cnncli import runtime
from cnncli.errors import SpecError
from cnncli.lifetimes import Kind


class Budget:
    """Counts what is asked for.

    Parameters
    ----------
    images : int
        Of a batch.
    """

    def __init__(self, images: int) -> None:
        self._images, self._left = images, runtime.memory_limit()

    def maps(self, kind: Kind, bytes_per_sample: int) -> None:
        """Maps of a kind are wanted; see `vector`."""
        channels, height, width = kind.shape
        top, bottom, left, right = kind.frame
        self.vector(channels * (height + top + bottom) * (width + left + right), bytes_per_sample, "maps")

    def vector(self, size: int, bytes_each: int, what: str = "parameters") -> None:
        """So many numbers are wanted.

        Raises
        ------
        SpecError
            With those before they are more than may be used.
        """
        self._left -= size * bytes_each
        if self._left < 0:
            images = "an image" if self._images == 1 else f"{self._images} images"
            whose = f"maps of {images} at once" if what == "maps" else what
            limit = runtime.memory_limit() / 1e9
            raise SpecError(
                f"with its {whose} the network needs more than the {limit:.2g} GB that may be used "
                f"({runtime.MAX_MEMORY} says otherwise); a smaller batch, smaller images or fewer maps need less"
            )
