"""What sheets show of kernels, maps and pixels; and charts."""

from __future__ import annotations

import numpy as np
import pytest

from cnncli.pictures import MANY, MAPS, kernel_section, map_section, overlay_section
from cnncli.plots import COLOURS, Line, Panel, chart
from cnncli.sheets import GREY


def test_kernels_of_one_map() -> None:
    weight = np.linspace(-1, 2, 12).reshape(3, 1, 2, 2)
    section, shown = kernel_section("c", weight)
    assert (shown, len(section.tiles), section.columns) == (3, 3, None)
    assert section.tiles[2].pixels[1, 1] == 255
    np.testing.assert_allclose(section.tiles[0].pixels, GREY + 127 * weight[0, 0] / 2, atol=0.5)
    assert "grey 0, white 2, black -2" in section.title


def test_kernels_of_three_maps_are_in_colour() -> None:
    section, _ = kernel_section("c", np.random.default_rng(0).normal(size=(5, 3, 4, 4)))
    assert [tile.pixels.shape for tile in section.tiles] == [(4, 4, 3)] * 5


def test_kernels_of_many_maps_stand_in_rows() -> None:
    weight = np.random.default_rng(0).normal(size=(300, 16, 3, 3))
    section, shown = kernel_section("c", weight)
    assert (shown, section.columns, len(section.tiles)) == (MANY // 16, 16, MANY)
    assert section.tiles[17].label == "1 to 1"


def test_maps() -> None:
    positive = map_section("relu", np.arange(8.0).reshape(2, 2, 2))
    assert [tile.pixels.max() for tile in positive.tiles] == [round(255 * 3 / 7), 255]
    assert "black 0, white 7" in positive.title
    both = map_section("conv", np.arange(-4.0, 4).reshape(2, 2, 2))
    assert both.tiles[1].pixels[0, 0] == GREY
    assert len(map_section("conv", np.ones((MAPS + 1, 2, 2))).tiles) == MAPS


def test_units_without_maps_form_a_strip() -> None:
    strip = map_section("linear", np.arange(130.0).reshape(130, 1, 1))
    assert [tile.pixels.shape for tile in strip.tiles] == [(2, 128)]
    assert strip.scale == 8
    assert map_section("linear", np.ones((10, 1, 1))).scale == 24


def test_overlays() -> None:
    section = overlay_section("t", np.zeros((4, 6, 1), np.uint8), np.eye(4, 6), "n")
    assert [tile.label for tile in section.tiles] == ["image", "n: black 0, white 1", "both"]
    assert all(tile.pixels.shape == (4, 6, 3) for tile in section.tiles)


def straight(first: float, last: float) -> Line:
    y = (first, last)
    return Line((0.0, 2.0), y, [max(0, v - 0.1) for v in y], [min(1, v + 0.1) for v in y])


def test_charts() -> None:
    panels = [Panel(f"p{i}", "x", [straight(0.9, 0.1), straight(0.2, 0.2)]) for i in range(4)]
    picture = np.asarray(chart(["one", "two"], panels))
    assert picture.shape[1] > 2.5 * 400
    for colour in COLOURS[:2]:
        rows, columns = np.nonzero((picture == colour).all(axis=2))
        assert (np.bincount(columns // 400, minlength=3)[:3] > 50).all()
        assert len(set(rows // 260)) >= 2
    assert not (picture == COLOURS[2]).all(axis=2).any()
    # the first line falls: it is high on the left and low on the right of the first panel
    rows, columns = np.nonzero((picture[60:300, :410] == COLOURS[0]).all(axis=2))
    assert rows[columns < 100].mean() < rows[columns > 380].mean() - 100


@pytest.mark.parametrize("names", [["a"], [f"a rather long name of a network, number {i}" for i in range(9)]])
def test_legends(names: list[str]) -> None:
    picture = chart(names, [Panel("p", "x", [straight(1, 0)] * len(names))])
    assert picture.width == chart(["a"], [Panel("p", "x", [straight(1, 0)])]).width
