"""Images of 8 and of 16 bits side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_files import pixels, write_image
from networks import build, linear
from rig import take

from cnncli.datasets._images import decode_image
from cnncli.datasets.base import open_data
from cnncli.model import stack
from cnncli.network import Network
from cnncli.preprocessing import Preprocessing


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "channels"), [((6, 5), 1), ((6, 5), 3), ((4, 9), 1), ((4, 9), 3)])
def test_an_image_does_not_depend_on_the_depth_of_its_neighbours(
    size: tuple[int, int], channels: int, dtype: str, tmp_path: Path
) -> None:
    """Bit by bit, in a folder and in a stack; also where it is resized, or turned from colour into grey or back."""
    grey, colour, deep = pixels(6, 5), pixels(6, 5, 3, seed=1), pixels(6, 5, dtype=np.uint16)
    for name, first in (("alone", grey), ("beside", deep)):
        for file, image in (("a/0", first), ("a/1", grey), ("b/1", colour), ("c/1", grey[::-1])):
            write_image(tmp_path / name / f"{file}.png", image)
    prepared = Preprocessing(size, channels, (0.3,) * channels, (0.7,) * channels)
    network = Network(build([linear(4)], prepared.shape), 8, training=False, dtype=dtype)
    found = []
    for name, depth in (("alone", np.uint8), ("beside", np.uint16)):
        folder = open_data(tmp_path / name).part("train")
        stacked = stack([decode_image(file, size, channels) for file in folder.names])
        for images in (folder.load(size, channels).images, stacked):
            assert images.dtype == depth
            prepared.fill(network, images, np.arange(1, 4))
            found.append(take(network.x, 3))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
