"""Images that are there twice, exactly or nearly."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cnncli import duplicates
from cnncli.datasets.base import Images


def some(pixels: np.ndarray, name: str = "a", labels: np.ndarray | None = None) -> Images:
    labels = np.zeros(len(pixels), np.int32) if labels is None else labels
    return Images(pixels, labels, [f"{name}{i}" for i in range(len(pixels))], ("x", "y"))


@pytest.fixture
def photographs() -> np.ndarray:
    """Smooth random pictures in colour."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 6, 7, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((40, 32), Image.Resampling.BICUBIC)) for each in coarse])


def recompressed(image: np.ndarray, quality: int) -> np.ndarray:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def test_repeated_images_and_contradicting_labels(photographs: np.ndarray) -> None:
    images = some(photographs[[0, 1, 0, 2, 1]], labels=np.array([0, 0, 0, 1, 1], np.int32))
    repeated, opposed = duplicates.contradictions(images, duplicates.fingerprints(images))
    assert repeated == 2
    assert opposed == [duplicates.Pair("a1", "a4")]


def test_images_of_two_parts(photographs: np.ndarray) -> None:
    one, other = some(photographs[:8]), some(photographs[[9, 3, 10, 0]], "b")
    found = duplicates.shared(one, duplicates.fingerprints(one), other, duplicates.fingerprints(other))
    assert found == [duplicates.Pair("a3", "b1"), duplicates.Pair("a0", "b3")]


def test_nearly_the_same(photographs: np.ndarray) -> None:
    """A JPEG anew and a darker picture are found, other pictures and exact copies are not."""
    darker = (0.8 * photographs[2]).astype(np.uint8)
    other = some(np.stack([photographs[9], recompressed(photographs[5], 85), darker, photographs[1]]), "b")
    assert duplicates.alike(some(photographs[:8]), other) == [
        duplicates.Pair("a5", "b1"),
        duplicates.Pair("a2", "b2"),
    ]


def test_pictures_without_contrast_are_alike_to_none() -> None:
    flat = some(np.full((3, 9, 5, 1), 7, np.uint8))
    assert duplicates.alike(flat, flat) == []


def test_blocks_change_nothing(photographs: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    other = some(np.stack([recompressed(image, 90) for image in photographs]), "b")
    whole = duplicates.alike(some(photographs), other)
    assert whole
    assert len(whole) == 12
    monkeypatch.setattr(duplicates, "BLOCK", 5)
    assert duplicates.alike(some(photographs), other) == whole


def test_too_many_are_not_compared(photographs: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 100)
    assert duplicates.alike(some(photographs), some(photographs)) is None
