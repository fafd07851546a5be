"""How commands read data: the threads that decode, the cache, and what is shown while it takes long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from cnncli.commands._console import note, on_terminal, warn
from cnncli.commands._options import MAX_THREADS, Decorator

if TYPE_CHECKING:
    from cnncli.datasets._reading import Reading

PATIENCE = 1.0  # seconds without a word
LOG_EVERY = 60.0


def workers(who: str = "Threads that decode image files") -> Decorator:
    """The option that says how many help."""
    return click.option(
        "--workers",
        type=click.IntRange(0, MAX_THREADS),
        metavar="N",
        help=f"{who}; by default as many as threads compute. Changes no result.",
    )


no_cache: Decorator = click.option(
    "--no-cache", is_flag=True, help="Decode all images anew, and keep none in the cache (CNN_CACHE, ~/.cache/cnncli)."
)


class Decoding:
    """Tells how far decoding is, if it takes long: a bar on a terminal, a line a minute in a log."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()
        self._bar: Any = None

    def __call__(self, done: int, images: int) -> None:
        now = time.monotonic()
        if done == 1:
            self._began = self._told = now
        if on_terminal():
            if self._bar is None and now - self._began > PATIENCE and done < images:
                from tqdm import tqdm

                self._bar = tqdm(
                    total=images, initial=done, desc="decoding", unit=" images", leave=False, dynamic_ncols=True
                )
            if self._bar is not None:
                self._bar.update(done - self._bar.n)
                if done == images:
                    self._bar.close()
                    self._bar = None
        elif now - self._told > LOG_EVERY:
            self._told = now
            note(f"decoding: {done:,} of {images:,} images")


def reading(threads: int, workers: int | None, no_cache: bool) -> Reading:
    """How a command reads images."""
    from cnncli.datasets._cache import default_folder
    from cnncli.datasets._reading import Reading

    cache = None if no_cache else default_folder()
    return Reading(threads if workers is None else workers, cache=cache, progress=Decoding(), warn=warn)
