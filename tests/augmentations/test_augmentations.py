"""What each augmentation does for given random numbers, and how it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnncli import registry
from cnncli.augmentations._beta import own_shares
from cnncli.augmentations.base import Augmentation, Changes
from cnncli.fields import Problem

SIZE = (6, 9)
MIDDLE = np.array([2.5, 4.0])
ALL: dict[str, tuple[Any, Any]] = {  # a value, and one that changes nothing
    "brightness": (0.2, 0), "contrast": (0.5, 0), "crop": (4, 0), "cutout": (3, None), "flip": (0.5, 0),
    "blur": (1.5, 0), "colour": (0.5, None), "cutmix": (1.0, None), "elastic": (34, 0), "mixup": (0.2, None),
    "noise": (0.1, 0), "rotate": (30, 0), "scale": (0.2, 0), "shear": (20, 0), "shift": ([2, 3], 0),
}  # fmt: skip
GRID = (np.arange(1260) + 0.5) / 1260  # in (0, 1), evenly; can be divided by 5, 6, 7 and 9


def read(entry: Any) -> Augmentation:
    problems: list[Problem] = []
    made = Augmentation.read(entry, (), problems)
    assert problems == []
    assert made is not None
    return made


def applied(*entries: Any, u: np.ndarray = GRID) -> Changes:
    """The changes for random numbers; all that an augmentation wants are the same."""
    changes = Changes(len(u), SIZE)
    for entry in entries:
        made = read(entry)
        made.apply(np.tile(u, (made.draws, 1)), changes)
    return changes


def moved(changes: Changes, point: tuple[float, float]) -> np.ndarray:
    """Where a point of the image goes: by the forward map, checked against the inverse one."""
    offset = np.array(point) - MIDDLE
    found = np.array([changes.matrix[:, :, i] @ offset + changes.shift[:, i] for i in range(changes.shift.shape[1])])
    found += MIDDLE
    back = [inverse @ [*place, 1] for inverse, place in zip(changes.inverse(), found, strict=True)]
    np.testing.assert_allclose(back, np.tile(point, (len(found), 1)), atol=1e-4)
    return found


def test_all_are_tested() -> None:
    assert set(ALL) == set(registry.names("augmentations"))


@pytest.mark.parametrize("name", ALL)
def test_a_bare_value_is_the_first_option(name: str) -> None:
    made = read({name: ALL[name][0]})
    assert registry.name_of(made) == name
    (options,) = made.plain().values()
    assert read({name: options}) == made


def test_a_name_alone() -> None:
    assert read("flip") == read({"flip": None}) == read({"flip": 0.5})


@pytest.mark.parametrize("name", [name for name, (_, zero) in ALL.items() if zero is not None])
def test_no_strength_changes_nothing(name: str) -> None:
    changes = applied({name: ALL[name][1]})
    np.testing.assert_array_equal(changes.inverse(), np.tile(np.eye(2, 3), (len(GRID), 1, 1)))
    assert (changes.gain == 1).all()
    assert (changes.offset == 0).all()
    assert (changes.blur == 0).all()
    assert all(alpha == 0 for alpha, _ in changes.elastic)
    assert changes.colour is None
    assert changes.noise == 0
    assert changes.holes == []


def test_shift_takes_every_whole_step_equally_often() -> None:
    changes = applied({"shift": [2, 3]})
    for moves, reach in zip(changes.shift, (2, 3), strict=True):
        steps, counts = np.unique(moves, return_counts=True)
        assert steps.tolist() == list(range(-reach, reach + 1))
        assert counts.max() == counts.min()
    np.testing.assert_array_equal(moved(changes, (1, 1)), 1 + changes.shift.T)
    np.testing.assert_array_equal(applied({"crop": 3}).shift, applied({"shift": 3}).shift)


def test_rotate() -> None:
    changes = applied({"rotate": 30})
    angle = np.deg2rad(60 * GRID - 30)
    wanted = MIDDLE + 2 * np.stack([-np.sin(angle), np.cos(angle)], axis=1)  # rows count downwards: anticlockwise
    np.testing.assert_allclose(moved(changes, (2.5, 6)), wanted, atol=1e-12)


def test_scale() -> None:
    changes = applied({"scale": 0.2})
    np.testing.assert_allclose(moved(changes, (3.5, 4))[:, 0], 2.5 + (0.8 + 0.4 * GRID), atol=1e-12)
    np.testing.assert_allclose(moved(changes, (3.5, 6))[:, 1], 4 + 2 * (0.8 + 0.4 * GRID), atol=1e-12)


def test_shear() -> None:
    found = moved(applied({"shear": 20}), (3.5, 4))
    np.testing.assert_array_equal(found[:, 0], 3.5)
    np.testing.assert_allclose(found[:, 1] - 4, np.tan(np.deg2rad(40 * GRID - 20)), atol=1e-12)
    np.testing.assert_allclose(moved(applied({"shear": 20}), (2.5, 0)), np.tile([2.5, 0], (len(GRID), 1)))


def test_flip() -> None:
    columns = moved(applied({"flip": 0.25}), (1, 0))[:, 1]
    np.testing.assert_array_equal(columns, np.where(GRID < 0.25, 8, 0))
    assert (moved(applied({"flip": 1}), (1, 0))[:, 1] == 8).all()


def test_geometry_is_done_in_the_order_of_the_list() -> None:
    u = np.array([0.99])
    step, doubled = {"shift": [0, 2]}, {"scale": 0.5}
    factor = 0.5 + 0.99
    np.testing.assert_allclose(moved(applied(step, doubled, u=u), (2.5, 4))[0], [2.5, 4 + 2 * factor])
    np.testing.assert_allclose(moved(applied(doubled, step, u=u), (2.5, 4))[0], [2.5, 6])


def test_light_and_noise() -> None:
    changes = applied({"brightness": 0.2}, {"contrast": 0.5}, {"brightness": 0.1}, {"noise": 0.3}, {"noise": 0.4})
    np.testing.assert_allclose(changes.offset, 0.6 * GRID - 0.3, atol=1e-12)
    np.testing.assert_allclose(changes.gain, 0.5 + GRID, atol=1e-12)
    assert changes.noise == pytest.approx(0.5)


def test_blur_and_elastic() -> None:
    changes = applied({"blur": 3}, {"blur": 4}, {"elastic": 34}, {"elastic": {"alpha": 5, "sigma": 1}})
    np.testing.assert_allclose(changes.blur, 5 * GRID, rtol=1e-12)  # variances add up
    assert changes.elastic == [(34, 4), (5, 1)]


def test_colour() -> None:
    """Grey stays grey; saturation 0 is the brightness; half a turn and the other half are nothing."""
    changes = applied({"colour": {"saturation": 0, "brightness": 0.2, "hue": 36}})
    assert changes.colour is not None
    np.testing.assert_allclose(changes.colour @ [1, 1, 1], np.outer(0.8 + 0.4 * GRID, [1, 1, 1]), atol=1e-12)
    ends = np.array([1e-9, 1 - 1e-9])
    grey = applied({"colour": {"saturation": 1, "brightness": 0, "hue": 0}}, u=ends).colour
    assert grey is not None
    luminance = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey[0], np.tile(luminance, (3, 1)), atol=1e-6)
    np.testing.assert_allclose(grey[1], 2 * np.eye(3) - np.tile(luminance, (3, 1)), atol=1e-6)
    opposite = {"colour": {"saturation": 0, "brightness": 0, "hue": 180}}
    turned = applied(opposite, u=ends).colour
    assert turned is not None
    np.testing.assert_allclose(turned[0] @ turned[0], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(luminance @ turned[0], luminance, atol=1e-6)
    twice = applied(opposite, opposite, u=ends).colour
    np.testing.assert_allclose(twice, np.tile(np.eye(3), (2, 1, 1)), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1, 2, 10])
def test_shares_are_of_the_beta_distribution(alpha: float) -> None:
    """How often the smaller share is below some limits, against numpy's random numbers."""
    smaller = 1 - own_shares(GRID, alpha)
    assert (smaller >= 0).all()
    assert (smaller <= 0.5).all()
    assert (np.diff(smaller) >= 0).all()
    x = np.random.default_rng(0).beta(alpha, alpha, 200_000)
    for limit in (0.001, 0.05, 0.2, 0.4):
        wanted = (np.minimum(x, 1 - x) < limit).mean()
        assert (smaller < limit).mean() == pytest.approx(wanted, abs=0.005)


def test_mixup() -> None:
    (mix,) = applied({"mixup": 1}).mixes
    assert mix.boxes is None
    np.testing.assert_allclose(mix.own, 1 - GRID / 2, atol=1e-6)
    (mix,) = applied({"mixup": {"alpha": 1, "p": 0.25}}).mixes
    np.testing.assert_array_equal(mix.own == 1, GRID >= 0.25)


def test_cutmix() -> None:
    """The rectangle lies within, has the image's form where nothing is cut off, and the shares are the areas."""
    (mix,) = applied({"cutmix": 1}).mixes
    assert mix.boxes is not None
    top, bottom, left, right = mix.boxes.T
    assert (top >= 0).all() and (top <= bottom).all() and (bottom <= SIZE[0]).all()  # noqa: PT018
    assert (left >= 0).all() and (left <= right).all() and (right <= SIZE[1]).all()  # noqa: PT018
    np.testing.assert_allclose(mix.own, 1 - (bottom - top) * (right - left) / 54)
    middle = (GRID > 0.5).argmax()  # a share of 1/4 in the middle
    assert (bottom - top)[middle] == int(6 * 0.25**0.5)
    assert (right - left)[middle] == int(9 * 0.25**0.5)
    assert mix.own.min() >= 0.5
    (mix,) = applied({"cutmix": {"p": 0.0}}).mixes
    assert (mix.own == 1).all()


@pytest.mark.parametrize("side", [1, 4, 5, 20])
def test_cutout(side: int) -> None:
    (holes,) = applied({"cutout": side}).holes
    np.testing.assert_array_equal(holes[:, [1, 3]] - holes[:, [0, 2]], side)
    middles = holes[:, [0, 2]] + side // 2
    for places, length in zip(middles.T, SIZE, strict=True):
        found, counts = np.unique(places, return_counts=True)
        assert found.tolist() == list(range(length))
        assert counts.max() == counts.min()


@pytest.mark.parametrize(
    ("entry", "path", "message"),
    [
        ({"shfit": 2}, ("shfit",), "unknown augmentation 'shfit'; did you mean 'shift'?"),
        ("rotatee", (), "unknown augmentation 'rotatee'; did you mean 'rotate'?"),
        ({7: 2}, (7,), "unknown augmentation 7; allowed: blur, brightness, colour, contrast"),
        ({"shift": 2, "rotate": 3}, (), "must be one augmentation such as shift: 2, found {shift: 2, rotate: 3}"),
        ({}, (), "must be one augmentation"),
        (["shift", 2], (), "must be one augmentation"),
        (None, (), "must be one augmentation such as shift: 2, found nothing"),
        ({"shift": -1}, ("shift",), "must be at least 0, found -1"),
        ({"shift": 1.5}, ("shift",), "must be a whole number or a list of two, at least 0; found 1.5"),
        ({"shift": {"pixels": -1}}, ("shift", "pixels"), "must be at least 0, found -1"),
        ({"shift": {"pixel": 1, "pixels": 1}}, ("shift", "pixel"), "unknown key 'pixel'; did you mean 'pixels'?"),
        ("shift", (), "'pixels' is missing: largest distance"),
        ({"rotate": "ten"}, ("rotate",), "must be a number, at least 0 and at most 180; found 'ten'"),
        ({"scale": 1}, ("scale",), "must be at least 0 and less than 1, found 1"),
        ({"mixup": 0}, ("mixup",), "must be greater than 0 and at most 10, found 0"),
        ({"blur": 17}, ("blur",), "must be at least 0 and at most 16, found 17"),
        ({"elastic": {"sigma": 4}}, ("elastic",), "'alpha' is missing: strength"),
    ],
)  # fmt: skip
def test_mistakes(entry: Any, path: tuple[Any, ...], message: str) -> None:
    problems: list[Problem] = []
    assert Augmentation.read(entry, ("here",), problems) is None
    (problem,) = problems
    assert problem.path == ("here", *path)
    assert problem.message.startswith(message)
