"""What tells other images from those that a run began with."""

import numpy as np
import pytest

from cnncli import fingerprint as module
from cnncli.datasets.base import Images
from cnncli.fingerprint import fingerprint


def images(count: int = 50, dtype: type = np.uint8) -> Images:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (count, 5, 4, 3)).astype(dtype)
    return Images(pixels, np.arange(count, dtype=np.int32) % 3, [str(i) for i in range(count)], ())


def test_it_tells_everything_that_matters() -> None:
    known = {fingerprint(images()), fingerprint(images(49)), fingerprint(images(dtype=np.uint16))}
    for place in (0, 25, 49):
        changed = images()
        changed.images[place, 4, 3, 2] ^= 1
        known.add(fingerprint(changed))
        changed = images()
        changed.labels[place] ^= 1
        known.add(fingerprint(changed))
    swapped = images()
    swapped.images[[0, 3]] = swapped.images[[3, 0]]
    known.add(fingerprint(swapped))
    assert len(known) == 10
    assert fingerprint(images()) in known


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fingerprint(images())
    monkeypatch.setattr(module, "PIECE", 130)
    assert fingerprint(images()) == whole


def test_of_many_images_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10 * 60)
    monkeypatch.setattr(module, "PIECE", 130)
    found = fingerprint(images())
    seen = []
    for place in range(50):
        changed = images()
        changed.images[place] ^= 1
        if fingerprint(changed) != found:
            seen.append(place)
    assert seen == list(range(0, 50, 5))
