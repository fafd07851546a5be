"""How tensors start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cnncli import random
from cnncli.initializers import HE, ONE, ZERO, Initializer

SHAPE, FAN_IN, FAN_OUT = (40, 50, 5, 3), 750, 600
BOUNDS = {
    "glorot": (6 / (FAN_IN + FAN_OUT)) ** 0.5,
    "lecun1989": 2.4 / FAN_IN,
    "lecun1989_sqrt": 2.4 / FAN_IN**0.5,
    "uniform: 0.3": 0.3,
}
DEVIATIONS = {"he": (2 / FAN_IN) ** 0.5, "normal: 0.01": 0.01}


def draw(text: Any, shape: tuple[int, ...] = SHAPE, seed: int = 0, stream: int = 7) -> np.ndarray:
    return Initializer.parse(text).draw(shape, FAN_IN, FAN_OUT, seed, stream)


@pytest.mark.parametrize("name", BOUNDS)
def test_uniform(name: str) -> None:
    values = draw(name)
    assert values.shape == SHAPE
    assert 0.999 * BOUNDS[name] < np.abs(values).max() <= BOUNDS[name]
    assert abs(values.std() * 12**0.5 / (2 * BOUNDS[name]) - 1) < 0.02
    assert abs(values.mean()) < 0.02 * BOUNDS[name]


@pytest.mark.parametrize("name", DEVIATIONS)
def test_normal(name: str) -> None:
    values = draw(name)
    assert abs(values.std() / DEVIATIONS[name] - 1) < 0.02
    assert abs((np.abs(values) < DEVIATIONS[name]).mean() - 0.6827) < 0.01
    assert abs(values.mean()) < 0.02 * DEVIATIONS[name]


@pytest.mark.parametrize("number", [0, 1, -0.5])
def test_constant(number: float) -> None:
    np.testing.assert_array_equal(draw(number), np.full(SHAPE, float(number)))
    np.testing.assert_array_equal(draw({"constant": number}), np.full(SHAPE, float(number)))


@pytest.mark.parametrize("shape", [(8, 3, 2, 2), (20, 3, 2, 2), (12, 12), (1, 5), (5, 1)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    values = draw("orthogonal", shape)
    matrix = values.reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)
    assert values.shape == shape


@pytest.mark.parametrize("name", [*BOUNDS, *DEVIATIONS, "orthogonal"])
def test_seed_and_stream_decide(name: str) -> None:
    np.testing.assert_array_equal(draw(name), draw(name))
    assert not np.array_equal(draw(name), draw(name, seed=1))
    assert not np.array_equal(draw(name), draw(name, stream=8))


def test_fans_may_differ_between_kernels() -> None:
    fans = np.array([10.0, 1000.0])[:, None, None]
    values = HE.draw((2, 50, 50), fans, fans, 0, 1)
    np.testing.assert_allclose(values.std(axis=(1, 2)), np.sqrt(2 / fans.ravel()), rtol=0.05)
    one = HE.draw((2, 50, 50), 10, 10, 0, 1)
    np.testing.assert_array_equal(values[0], one[0])


def test_normal_numbers_are_those_of_the_stream() -> None:
    np.testing.assert_array_equal(draw("normal: 2", (7,)), 2 * random.normal(0, 7, 7))


@pytest.mark.parametrize("name", [*BOUNDS, *DEVIATIONS, "orthogonal", 0.25, {"normal": 0.01}, {"constant": -1}])
def test_text_round_trip(name: Any) -> None:
    parsed = Initializer.parse(name)
    assert Initializer.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    "value",
    [
        "hee",
        "normal",
        "uniform",
        {"normal": 0},
        {"uniform": -1},
        {"he": 1},
        {"normal": True},
        {},
        [0.1],
        True,
        None,
        {"normal": 1, "uniform": 1},
        "normal: x",
    ],
)
def test_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"unknown initialiser|must be|could not convert"):
        Initializer.parse(value)


def test_a_misspelt_name_is_guessed() -> None:
    with pytest.raises(ValueError, match="did you mean 'glorot'"):
        Initializer.parse("glorott")


def test_constants() -> None:
    assert (ZERO.number, ONE.number, ZERO.name) == (0.0, 1.0, "constant")
