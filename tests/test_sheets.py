"""Numbers as brightness and colour, tiles on sheets."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cnncli.sheets import (
    ACCENT,
    GREY,
    PAPER,
    Section,
    Tile,
    as_rgb,
    blended,
    enlarged,
    heat,
    outlined,
    png,
    sheet,
    signed,
    unsigned,
)  # fmt: skip


def test_signed_numbers() -> None:
    assert signed(np.array([-2.0, -1, 0, 1, 2])).tolist() == [1, 64, GREY, 192, 255]
    assert signed(np.array([-2.0, 0, 1]), limit=1).tolist() == [1 - 1, GREY, 255]
    assert signed(np.zeros(2)).tolist() == [GREY, GREY]


def test_unsigned_numbers() -> None:
    assert unsigned(np.array([0.0, 1, 2])).tolist() == [0, 128, 255]
    assert unsigned(np.array([-1.0, 1, 9]), low=0, high=2).tolist() == [0, 128, 255]
    assert unsigned(np.zeros(2)).tolist() == [0, 0]


def test_heat_grows_brighter() -> None:
    colours = heat(np.linspace(0, 1, 50))
    assert colours.shape == (50, 3)
    grey = colours.astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(grey) > 0).all()


def test_rgb() -> None:
    deep = np.array([[[0], [257 * 7], [65535]]], np.uint16)
    assert as_rgb(deep).tolist() == [[[0] * 3, [7] * 3, [255] * 3]]
    assert blended(as_rgb(np.full((1, 1, 1), 100, np.uint8)), np.zeros((1, 1, 3)), 0.5).tolist() == [[[50, 50, 50]]]


def test_outlines_enclose_a_box() -> None:
    picture = outlined(np.zeros((4, 5, 1), np.uint8), (1, 3, 2, 5), scale=4)
    assert picture.shape == (16, 20, 3)
    rows, columns = np.nonzero((picture == ACCENT).all(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 11, 8, 19)


def test_tiles_are_enlarged_by_whole_factors_and_placed_in_order() -> None:
    values = [10, 60, 110, 160, 210]
    tiles = [Tile(np.full((3, 5), value, np.uint8), str(value)) for value in values]
    assert np.asarray(enlarged(tiles[0].pixels, 3)).shape == (9, 15)
    section = Section("title", tiles, columns=2, side=50)
    assert (section.scale, section.shape(1200)) == (10, (3, 2))
    picture = np.asarray(sheet([section]))[..., 0]
    places = [np.argwhere(picture == value) for value in values]
    assert [len(place) >= 30 * 50 for place in places] == [True] * 5
    corners = [tuple(place[(len(place)) // 2]) for place in places]
    assert [np.median(place[:, 0]) for place in places[:2]] == [np.median(places[0][:, 0])] * 2
    assert np.median(places[2][:, 0]) > np.median(places[0][:, 0])
    assert np.median(places[1][:, 1]) > np.median(places[0][:, 1])
    assert len(set(corners)) == 5


def test_sheets_are_as_wide_as_needed() -> None:
    tile = Tile(np.zeros((8, 8), np.uint8))
    narrow, wide = sheet([Section("a", [tile])]), sheet([Section("a", [tile] * 100)])
    assert narrow.width < 100
    assert 1000 < wide.width <= 1200
    assert narrow.getpixel((0, 0)) == PAPER
    both = sheet([Section("a", [tile]), Section("b", [tile])])
    assert both.height > 1.7 * narrow.height


def test_a_sheet_too_large_to_be_looked_at() -> None:
    with pytest.raises(ValueError, match="show fewer"):
        sheet([Section("a", [Tile(np.zeros((64, 64), np.uint8))] * 300, columns=1)])


def test_png() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(png(Image.fromarray(pixels))))), pixels)
