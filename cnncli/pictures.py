"""Parts of contact sheets: a layer's kernels, its maps, an image with what was found out about its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cnncli.sheets import Section, Tile, as_rgb, blended, heat, signed, unsigned

MANY = 1024  # kernels drawn at most
MAPS = 64  # maps of a layer drawn at most
ROW = 128  # units of a layer without maps in a row
PANEL = 320  # pixels: side of large pictures


def kernel_section(layer: str, weight: np.ndarray) -> tuple[Section, int]:
    """The kernels of a layer, a row for each output map; grey is 0, and all have one scale.

    Kernels for three input maps are drawn in colour, as those of a first layer that sees red, green and blue.

    Parameters
    ----------
    layer : str
    weight : ndarray, shape (output maps, input maps, rows, columns)

    Returns
    -------
    Section
    shown : int
        How many output maps were drawn; all of them unless they are very many.
    """
    outputs, inputs, rows, columns = weight.shape
    limit = float(np.abs(weight).max())
    levels = signed(weight, limit)
    title = f"{layer}: {outputs} kernels of {inputs}x{rows}x{columns}; grey 0, white {limit:.3g}, black {-limit:.3g}"
    if inputs in (1, 3):
        shown = min(outputs, MANY)
        kernels = np.moveaxis(levels[:shown], 1, 3)
        pixels = kernels if inputs == 3 else kernels[..., 0]
        return Section(title, [Tile(kernel, str(i)) for i, kernel in enumerate(pixels)]), shown
    shown = min(outputs, max(1, MANY // inputs))
    tiles = [Tile(levels[o, i], f"{i} to {o}") for o in range(shown) for i in range(inputs)]
    return Section(title, tiles, columns=inputs, side=64 if len(tiles) <= 256 else 40), shown


def map_section(layer: str, values: np.ndarray) -> Section:
    """The output of a layer; without negative numbers black is 0, else grey is, and all maps have one scale.

    Parameters
    ----------
    layer : str
    values : ndarray, shape (channels, rows, columns)
    """
    low, high = float(values.min()), float(values.max())
    negative = low < 0
    levels = signed(values) if negative else unsigned(values)
    largest = max(-low, high)
    scale = f"grey 0, white {largest:.3g}, black {-largest:.3g}" if negative else f"black 0, white {largest:.3g}"
    channels, rows, columns = values.shape
    title = f"{layer}: {channels}x{rows}x{columns}; {scale}"
    if (rows, columns) == (1, 1):
        width = min(channels, ROW)
        strip = np.full(-(-channels // width) * width, 255, np.uint8)
        strip[:channels] = levels.ravel()
        return Section(title, [Tile(strip.reshape(-1, width))], side=width * min(24, 1024 // width))
    if channels > MAPS:
        title += f"; the first {MAPS} maps"
    return Section(title, [Tile(each, str(i)) for i, each in enumerate(levels[:MAPS])])


def picture_section(title: str, pictures: Mapping[str, np.ndarray], side: int = PANEL) -> Section:
    """Pictures, uint8, side by side under their labels."""
    return Section(title, [Tile(pixels, label) for label, pixels in pictures.items()], side=side)


def overlay_section(title: str, image: np.ndarray, values: np.ndarray, label: str) -> Section:
    """A decoded image, numbers for its pixels as colours, and these laid over it."""
    picture, colours = as_rgb(image), heat(values)
    label = f"{label}: black 0, white {values.max():.3g}"
    return picture_section(title, {"image": picture, label: colours, "both": blended(picture, colours)})


def epochs_section(title: str, originals: np.ndarray, seen: np.ndarray, names: Sequence[str]) -> Section:
    """A row for each image: as it is, and in each epoch.

    Parameters
    ----------
    title : str
    originals : ndarray of uint8, shape (images, rows, columns, channels)
    seen : ndarray of uint8, shape (images, epochs, rows, columns, channels)
    names : sequence of str
        What the images show.
    """
    tiles = []
    for original, epochs, name in zip(originals, seen, names, strict=True):
        tiles.append(Tile(as_rgb(original), name))
        tiles += [Tile(as_rgb(pixels), f"epoch {i}") for i, pixels in enumerate(epochs, 1)]
    return Section(title, tiles, columns=1 + seen.shape[1], side=84)
