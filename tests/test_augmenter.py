"""Augmentation of a training set: what it depends on, and what it does not."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from cnncli import _fast, random, registry
from cnncli.augmenter import Augmenter
from cnncli.errors import SpecError

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), np.uint8)
ALL: dict[str, dict[str, Any]] = {
    "shift": {"pixels": (1, 2)}, "crop": {"padding": 1}, "rotate": {"degrees": 10.0}, "scale": {"amount": 0.1},
    "shear": {"degrees": 10.0}, "flip": {}, "noise": {"std": 0.1}, "brightness": {"amount": 0.1},
    "contrast": {"amount": 0.2}, "cutout": {"side": 2}, "blur": {"sigma": 1.0}, "elastic": {"alpha": 20.0},
}  # fmt: skip


def augmenter(
    *names: str, images: np.ndarray = IMAGES, fill: Literal["auto", "edge"] | float = "auto", seed: int = 0
) -> Augmenter:
    made = [registry.get("augmentations", name)(**ALL[name]) for name in names]
    return Augmenter(made, images, fill, seed, _fast.kernels("float32"))


def seen(augmented: Augmenter, epoch: int, indices: np.ndarray, threads: int = 1) -> np.ndarray:
    out = np.empty((len(indices), *IMAGES.shape[1:]), np.float32)
    scratch = np.empty((threads, augmented.scratch_size), np.float32)
    augmented.apply(augmented.prepare(epoch, indices), slice(None), out, scratch, threads)
    return out


@pytest.mark.parametrize("name", ALL)
def test_an_image_depends_on_seed_epoch_and_its_place(name: str) -> None:
    everything = np.arange(300)
    first = seen(augmenter(name), 4, everything)
    again = augmenter(name)
    for epoch in (5, 4):  # whatever was done before
        order = np.random.default_rng(epoch).permutation(300)
        last = np.empty_like(first)
        for batch in np.split(order, 10):
            last[batch] = seen(again, epoch, batch)
    np.testing.assert_array_equal(last, first)
    assert (seen(augmenter(name), 5, everything) != first).any()
    assert (seen(augmenter(name, seed=1), 4, everything) != first).any()
    same = augmenter(name, images=np.repeat(IMAGES[:1], 300, axis=0))
    assert len(np.unique(seen(same, 0, everything), axis=0)) > 1


def test_the_same_augmentation_twice_draws_twice() -> None:
    once, twice = (augmenter(*names).changes(0, np.arange(300)).shift for names in (("shift",), ("shift", "shift")))
    assert set(np.unique(twice[0])) == {-2, -1, 0, 1, 2}
    assert abs(np.corrcoef(once[0], (twice - once)[0])[0, 1]) < 0.2


def test_parameters_cover_their_range_evenly() -> None:
    changes = augmenter("shift", "brightness", images=np.zeros((20_000, 2, 2, 1), np.uint8)).changes(
        7, np.arange(20_000)
    )
    amounts = changes.offset
    assert -0.1 < amounts.min() < -0.0999
    assert 0.0999 < amounts.max() < 0.1
    assert abs(amounts.mean()) < 5 * 0.2 / 12**0.5 / amounts.size**0.5
    assert np.abs(np.histogram(amounts, 10, (-0.1, 0.1))[0] / 2000 - 1).max() < 0.1
    for moves, reach in zip(changes.shift, (1, 2), strict=True):
        counts = np.unique(moves, return_counts=True)[1]
        assert np.abs(counts / 20_000 * (2 * reach + 1) - 1).max() < 0.1
    assert abs(np.corrcoef(*changes.shift)[0, 1]) < 0.03
    assert abs(np.corrcoef(changes.shift[0], amounts)[0, 1]) < 0.03


def test_parameters_are_those_of_every_version() -> None:
    """Seeds in old configs must keep their meaning."""
    bits = random.per_image(3, random.stream("augment.0.brightness.0"), 2, np.arange(5))
    wanted = 0.1 * (2 * random.fractions(bits) - 1)
    np.testing.assert_array_equal(augmenter("brightness", seed=3).changes(2, np.arange(5)).offset, wanted)


@pytest.mark.parametrize(("fill", "wanted"), [("auto", [51, 0, 255]), (0.5, [127.5] * 3), ("edge", None)])
def test_fill(fill: Any, wanted: list[float] | None) -> None:
    """A frame of one colour: what comes in has it, or the given one."""
    images = np.zeros((40, 8, 8, 3), np.uint8)
    images[:] = (51, 0, 255)
    images[:, 1:-1, 1:-1] = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), np.uint8)
    augmented = augmenter("shift", images=images, fill=fill)
    out = np.empty(images.shape, np.float32)
    scratch = np.empty((1, augmented.scratch_size), np.float32)
    augmented.apply(augmented.prepare(0, np.arange(40)), slice(None), out, scratch, 1)
    rows, columns = augmented.changes(0, np.arange(40)).shift.astype(int)
    padded = np.pad(images / 255 * 65535, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    if wanted is not None:
        padded[:, :2] = padded[:, -2:] = padded[:, :, :2] = padded[:, :, -2:] = np.array(wanted) / 255 * 65535
    for i in range(40):
        part = padded[i, 2 - rows[i] : 10 - rows[i], 2 - columns[i] : 10 - columns[i]]
        np.testing.assert_allclose(out[i], part, rtol=1e-6)


def test_pictures() -> None:
    still = Augmenter([registry.get("augmentations", "shift")(pixels=(0, 0))], IMAGES, 0.0, 0, _fast.kernels("float32"))
    some = np.array([5, 2])
    np.testing.assert_array_equal(still.pictures(3, some), IMAGES[some])
    np.testing.assert_array_equal(still.originals(some), IMAGES[some])


COLOURED = np.random.default_rng(1).integers(0, 256, (60, 5, 7, 3), np.uint8)


def made(augmented: Augmenter, order: np.ndarray, places: slice = slice(None), epoch: int = 0) -> np.ndarray:
    """Images in 0..1."""
    changed = augmented.prepare(epoch, order)
    out = np.empty((len(order[places]), *COLOURED.shape[1:]), np.float32)
    augmented.apply(changed, places, out, np.empty((1, augmented.scratch_size), np.float32), 1)
    return out / 65535


def with_options(*entries: tuple[str, dict[str, Any]]) -> Augmenter:
    chosen = [registry.get("augmentations", name)(**options) for name, options in entries]
    return Augmenter(chosen, COLOURED, "auto", 0, _fast.kernels("float32"))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing(name: str) -> None:
    """Each image with another one of its batch; the classes in the shares in which the pixels are."""
    augmented = with_options((name, {"alpha": 1.0}))
    order = np.random.default_rng(2).permutation(60)
    changed = augmented.prepare(3, order)
    (mix,) = changed.mixes
    for places in (slice(0, 25), slice(25, 50), slice(50, 60)):
        partners = changed.partners(0, places)
        count = len(partners)
        assert sorted(partners) == list(range(count))
        assert (partners != np.arange(count)).all()
        found, plain = made(augmented, order, places, 3), COLOURED[order[places]] / 255
        shares = np.eye(count)
        augmented.mix_targets(changed, places, shares)
        np.testing.assert_allclose(shares.sum(axis=1), 1)
        for i in range(count):
            own = mix.own[places][i]
            assert shares[i, i] == pytest.approx(own)
            assert shares[i, partners[i]] == pytest.approx(1 - own)
            if mix.boxes is None:
                wanted = own * plain[i] + (1 - own) * plain[partners[i]]
            else:
                top, bottom, left, right = mix.boxes[places][i]
                wanted = plain[i].copy()
                wanted[top:bottom, left:right] = plain[partners[i]][top:bottom, left:right]
            np.testing.assert_allclose(found[i], wanted, atol=1e-5)


def test_an_image_alone_in_its_batch_is_mixed_with_itself() -> None:
    augmented = with_options(("mixup", {}), ("cutmix", {}))
    np.testing.assert_allclose(made(augmented, np.arange(60), slice(7, 8)), COLOURED[7:8] / 255, atol=1e-6)
    shares = np.array([[0.0, 1.0]])
    augmented.mix_targets(augmented.prepare(0, np.arange(60)), slice(7, 8), shares)
    np.testing.assert_allclose(shares, [[0, 1]])


def test_colour_keeps_grey_and_changes_colours() -> None:
    augmented = with_options(("colour", {"hue": 108.0}))
    found = made(augmented, np.arange(60))
    assert np.abs(found - COLOURED / 255).max() > 0.2
    matrices = augmented.changes(0, np.arange(60)).colour
    assert matrices is not None
    wanted = np.clip(np.einsum("nij,nhwj->nhwi", matrices, COLOURED / 255), 0, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_colour_of_grey_images_is_an_error() -> None:
    colour = registry.get("augmentations", "colour")()
    with pytest.raises(SpecError, match=r"data\.augment: colour needs colour images, and these are grey"):
        Augmenter([colour], IMAGES, "auto", 0, _fast.kernels("float32"))


def test_copies_of_an_image_are_changed_differently() -> None:
    augmented = augmenter("shift", "elastic")
    order = np.array([5, 305, 605, 7])
    found = seen(augmented, 0, order)
    assert len(np.unique(found[:3], axis=0)) == 3
    np.testing.assert_array_equal(found[[0, 3]], seen(augmented, 0, np.array([5, 7])))
