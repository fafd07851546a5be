"""The lecture's example network (1.16): its gradients against differences, and the equations it leaves as homework."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from chains import Tensors, by_network, by_oracles
from lecture_vectors import EXAMPLE_VECTORS, Array, Step, Vector
from reference import numeric_gradient
from rig import KERNELS

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}  # of a tensor's largest element


@pytest.mark.parametrize("vector", EXAMPLE_VECTORS, ids=lambda vector: vector.name)
def test_whole_back_propagation(vector: Vector) -> None:
    """Every gradient of the example network, flipped or not, against differences of its loss."""
    tensors = by_oracles(vector)

    for i, (name, step) in enumerate(zip(vector.names(), vector.steps, strict=True)):
        for param, value in step.params.items():

            def loss(a: Array, i: int = i, param: str = param) -> float:
                steps = list(vector.steps)
                steps[i] = replace(steps[i], params={**steps[i].params, param: a})
                return float(by_oracles(replace(vector, steps=tuple(steps)))["loss"])

            np.testing.assert_allclose(tensors[f"{name}.d{param}"], numeric_gradient(loss, value), atol=1e-9)
    dx = numeric_gradient(lambda a: float(by_oracles(replace(vector, x=a))["loss"]), vector.x)
    np.testing.assert_allclose(tensors["dx"], dx, atol=1e-9)


def homework(vector: Vector, k: float, t: float) -> Tensors:
    """The equations of the lecture as they stand there; with `flip` every kernel is the one turned by 180 degrees."""

    def turned(kernel: Array) -> Array:
        return kernel[::-1, ::-1] if vector.steps[0].options["flip"] else kernel

    def f(z: Array) -> Array:
        return np.log(1 + np.exp(k * z)) / k

    def sigma(z: Array) -> Array:
        return 1 / (1 + np.exp(-k * z))

    def correlation(maps: Array, kernel: Array) -> Array:
        rows, columns = (have - size + 1 for have, size in zip(maps.shape, kernel.shape, strict=True))
        return sum(w * maps[i : i + rows, j : j + columns] for (i, j), w in np.ndenumerate(kernel))  # type: ignore[return-value]

    def full_convolution(delta: Array, kernel: Array) -> Array:
        total = np.zeros((len(delta) + 2, len(delta) + 2))
        for (i, j), w in np.ndenumerate(kernel):
            total[i : i + len(delta), j : j + len(delta)] += w * delta
        return total

    def raised(delta: Array, size: int) -> Array:  # S^T delta S
        between = np.zeros((size, size))
        between[::2, ::2] = delta
        return between

    first, second, unit = (vector.steps[i].params for i in (0, 3, 6))
    k1, k4, w = turned(first["weight"][0, 0]), turned(second["weight"][0, 0]), unit["weight"].reshape(3, 3)
    x = vector.x[0, 0]
    y1 = first["bias"][0] + correlation(x, k1)
    y3 = f(y1)[::2, ::2]
    y4 = second["bias"][0] + correlation(y3, k4)
    y6 = f(y4)[::2, ::2]
    z = (w * y6).sum()
    y = f(z)

    a = (y - t) * sigma(z)
    d6 = a * w
    d4 = raised(d6, 5) * sigma(y4)
    d3 = full_convolution(d4, k4)
    d1 = raised(d3, 14) * sigma(y1)
    dk4, dk1 = np.empty((3, 3)), np.empty((3, 3))
    for i, j in np.ndindex(3, 3):
        dk4[i, j] = sum(a * w[r, s] * sigma(y4[2 * r, 2 * s]) * y3[2 * r + i, 2 * s + j] for r, s in np.ndindex(3, 3))
        dk1[i, j] = sum(d1[r, s] * x[r + i, s + j] for r, s in np.ndindex(14, 14))
    return {
        "y": y,
        "loss": (y - t) ** 2 / 2,
        "linear_1.dweight": a * y6.reshape(1, 9),
        "conv2d_2.dweight": turned(dk4),
        "conv2d_2.dbias": d4,
        "conv2d_1.dweight": turned(dk1),
        "conv2d_1.dbias": d1,
        "dx": full_convolution(d1, k1),
    }


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
@pytest.mark.parametrize(("k", "t"), [(1.0, 0.0), (2.5, 0.25)])
@pytest.mark.parametrize("vector", EXAMPLE_VECTORS, ids=lambda vector: vector.name)
def test_homework(vector: Vector, k: float, t: float, variant: str, dtype: str) -> None:
    """The layers' gradients are those of the equations, whatever the bend of softplus and the target."""
    steps = tuple(Step("softplus", options={"k": k}) if step.layer == "softplus" else step for step in vector.steps)
    changed = replace(vector, steps=steps, target=np.full((1, 1), t))
    tensors, equations = by_network(changed, variant=variant, dtype=dtype), homework(vector, k, t)
    for name, wanted in equations.items():
        atol = TOLERANCE[dtype] * np.abs(wanted).max()
        np.testing.assert_allclose(tensors[name].reshape(np.shape(wanted)), wanted, rtol=0, atol=atol, err_msg=name)
    assert np.count_nonzero(tensors["conv2d_2.dbias"]) == 9  # none at sites that are skipped
    assert np.count_nonzero(tensors["conv2d_1.dbias"]) == 49
