"""Pictures made of arrays: numbers as grey or colour, tiles on labelled contact sheets, PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GREY = 128  # stands for 0 in signed pictures
PAPER, INK, FAINT, FRAME, ACCENT = (255, 255, 255), (20, 20, 20), (110, 110, 110), (190, 190, 190), (230, 30, 30)
MARGIN, GAP, LINE = 14, 6, 16  # pixels: round the sheet, between tiles, height of a line of text
SMALL, LARGE = 11, 14  # sizes of letters
WIDTH = 1200  # of a sheet, unless a single tile is wider
MAX_SIDE = 16_000  # pixels; larger pictures are of no use to anybody

# black, violet, red, orange, yellow, white: brighter is more, also in grey
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 220, 80], [252, 255, 220]], np.float64)


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture on a sheet.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (rows, columns) or (rows, columns, 3)
    label : str
        Written below it.
    """

    pixels: np.ndarray
    label: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """Tiles under a title.

    Attributes
    ----------
    title : str
    tiles : sequence of Tile
    columns : int, optional
        Tiles in a row; as many as fit by default.
    side : int
        Pixels to which small tiles are enlarged, by whole factors.
    """

    title: str
    tiles: Sequence[Tile]
    columns: int | None = None
    side: int = 64

    @property
    def scale(self) -> int:
        """How much the tiles are enlarged."""
        largest = max(max(tile.pixels.shape[:2]) for tile in self.tiles)
        return max(1, round(self.side / largest))

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width of a tile's place."""
        height = self.scale * max(tile.pixels.shape[0] for tile in self.tiles)
        width = self.scale * max(tile.pixels.shape[1] for tile in self.tiles)
        labels = [round(font(SMALL).getlength(tile.label)) for tile in self.tiles]
        return height + (LINE if any(labels) else 0) + GAP, max(width, *labels) + GAP

    def shape(self, width: int) -> tuple[int, int]:
        """Rows and columns of tiles on a sheet of this width."""
        fitting = max(1, (width - 2 * MARGIN + GAP) // self.cell[1])
        columns = min(self.columns or fitting, len(self.tiles))
        return -(-len(self.tiles) // columns), columns

    def draw(self, sheet: Image.Image, top: int) -> int:
        """Put the tiles on a sheet; returns where the next section may begin."""
        pen = ImageDraw.Draw(sheet)
        pen.text((MARGIN, top), self.title, INK, font(LARGE))
        top += LARGE + 8
        height, width = self.cell
        rows, columns = self.shape(sheet.width)
        for i, tile in enumerate(self.tiles):
            y, x = top + i // columns * height, MARGIN + i % columns * width
            picture = enlarged(tile.pixels, self.scale)
            sheet.paste(picture, (x, y))
            pen.rectangle((x - 1, y - 1, x + picture.width, y + picture.height), outline=FRAME)
            pen.text((x, y + picture.height + 1), tile.label, FAINT, font(SMALL))
        return top + rows * height + GAP


@cache
def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The letters that come with Pillow."""
    return ImageFont.load_default(size)


def sheet(sections: Sequence[Section]) -> Image.Image:
    """Sections below one another.

    Raises
    ------
    ValueError
        If the sheet would be too large to be looked at.
    """
    width = WIDTH
    for section in sections:
        if section.columns:
            width = max(width, 2 * MARGIN + section.columns * section.cell[1])
        width = max(width, 2 * MARGIN + section.cell[1])
    used = max(section.shape(width)[1] * section.cell[1] for section in sections)
    titles = max(round(font(LARGE).getlength(section.title)) for section in sections)
    width = 2 * MARGIN + max(used - GAP, titles)
    height = 2 * MARGIN + sum(LARGE + 8 + section.shape(width)[0] * section.cell[0] + GAP for section in sections)
    if max(height, width) > MAX_SIDE:
        raise ValueError(f"the sheet would have {height:,} x {width:,} pixels; show fewer")
    picture = Image.new("RGB", (width, height), PAPER)
    top = MARGIN
    for section in sections:
        top = section.draw(picture, top)
    return picture


def enlarged(pixels: np.ndarray, scale: int) -> Image.Image:
    """Every sample as a square of `scale` pixels."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def outlined(pixels: np.ndarray, box: tuple[int, int, int, int], scale: int) -> np.ndarray:
    """A picture enlarged, with a frame round rows box[0] to box[1] - 1 and columns box[2] to box[3] - 1."""
    picture = enlarged(as_rgb(pixels), scale)
    top, bottom, left, right = (scale * edge for edge in box)
    ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), outline=ACCENT, width=2)
    return np.asarray(picture)


def signed(values: np.ndarray, limit: float | None = None) -> np.ndarray:
    """Numbers of both signs as uint8: 0 is mid-grey, `limit` (by default the largest) white, -`limit` black."""
    limit = float(np.abs(values).max(initial=0.0)) if limit is None else limit
    return np.clip(np.rint(GREY + 127 * values / (limit or 1.0)), 0, 255).astype(np.uint8)


def unsigned(values: np.ndarray, low: float = 0.0, high: float | None = None) -> np.ndarray:
    """Numbers as uint8: `low` is black, `high` (by default the largest) white."""
    high = float(values.max(initial=low)) if high is None else high
    return np.clip(np.rint(255 * (values - low) / ((high - low) or 1.0)), 0, 255).astype(np.uint8)


def heat(values: np.ndarray, low: float = 0.0, high: float | None = None) -> np.ndarray:
    """Numbers as colours from black over red to yellow and white, uint8, shape (..., 3)."""
    levels = unsigned(values, low, high) / 255 * (len(_HEAT) - 1)
    stops = np.arange(len(_HEAT))
    return np.stack([np.interp(levels, stops, _HEAT[:, c]) for c in range(3)], axis=-1).round().astype(np.uint8)


def as_rgb(image: np.ndarray) -> np.ndarray:
    """A decoded image, (rows, columns, 1 or 3) of uint8 or uint16, as (rows, columns, 3) of uint8."""
    if image.dtype == np.uint16:
        image = (image // 257).astype(np.uint8)
    return np.broadcast_to(image, (*image.shape[:2], 3))


def blended(image: np.ndarray, colours: np.ndarray, share: float = 0.6) -> np.ndarray:
    """Colours laid over a picture, which shows through as grey; both (rows, columns, 3) of uint8."""
    grey = image.mean(axis=2, keepdims=True)
    return np.rint((1 - share) * grey + share * colours).astype(np.uint8)


def png(picture: Image.Image) -> bytes:
    """The contents of a PNG file."""
    stream = BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return stream.getvalue()
