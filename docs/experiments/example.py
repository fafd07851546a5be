"""The lecture's example network on numbers that can be followed by hand: its output, its loss and every gradient.

    python docs/experiments/example.py

configs/lecture.yaml in double precision. Rows r, columns s and taps k, t count from the middle of a kernel, r and s of
images from 0: X[r, s] = ((3 r + 5 s) mod 11 - 5) / 5, K1[k, t] = 0.1 (k + 2 t) but K1[0, 0] = 0.3, B1 = 0.05,
K4[k, t] = 0.2 - 0.1 |k| + 0.05 t, B4 = -0.02, w[r, s] = 0.1 (r - s) + 0.05, and the target is 0.
"""

from __future__ import annotations

import common
import numpy as np

from cnncli import spec
from cnncli.graph import Graph
from cnncli.network import Network

TARGET = "loss={sum_squared_error: {targets: [0, 0]}}"


def tensors() -> dict[str, np.ndarray]:
    """The parameters by name."""
    k, t = np.mgrid[-1:2, -1:2]
    k1 = 0.1 * (k + 2 * t)
    k1[1, 1] = 0.3
    r, s = np.mgrid[0:3, 0:3]
    return {
        "conv2d_1.weight": k1,
        "conv2d_1.bias": np.full((14, 14), 0.05),
        "conv2d_2.weight": 0.2 - 0.1 * np.abs(k) + 0.05 * t,
        "conv2d_2.bias": np.full((5, 5), -0.02),
        "linear_1.weight": 0.1 * (r - s) + 0.05,
    }


def run(*overrides: str) -> Network:
    """The network after both passes."""
    found = spec.load(str(common.CONFIGS / "lecture.yaml"), [TARGET, *overrides])
    assert found.data.in_shape is not None
    graph = Graph(found.model, found.data.in_shape, found.loss)
    network = Network(graph, 1, training=True, dtype="float64", input_gradient=True)
    for name, values in tensors().items():
        network.param[name][...] = values.reshape(network.param[name].shape)
    r, s = np.mgrid[0:16, 0:16]
    network.x[...] = 0
    network.x[0, 0, :, :, 0] = ((3 * r + 5 * s) % 11 - 5) / 5
    network.set_targets(np.zeros(1, np.int32))
    network.forward(training=True)
    network.backward()
    return network


def rows(name: str, matrix: np.ndarray) -> None:
    """Print a small matrix."""
    for i, row in enumerate(matrix):
        print(f"{name if i == 0 else '':10}", *(f"{value:15.12f}" for value in row))


def main() -> None:
    network = run()
    y = float(network.scores()[0, 0])
    print(f"z = {np.log(np.expm1(y)):.12f}  y = {y:.12f}  H = {network.mean_loss():.12f}")
    gradient = network.param_grad
    rows("dH/dw", gradient["linear_1.weight"].reshape(3, 3))
    rows("dH/dK4", gradient["conv2d_2.weight"].reshape(3, 3))
    rows("dH/dK1", gradient["conv2d_1.weight"].reshape(3, 3))
    assert network.dx is not None
    sums = {"B4": gradient["conv2d_2.bias"], "B1": gradient["conv2d_1.bias"], "X": network.dx[0, 0, :, :, 0]}
    print("  ".join(f"sum of dH/d{name} = {values.sum():.12f}" for name, values in sums.items()))
    flipped = run("model.conv2d_1.flip=true", "model.conv2d_2.flip=true")
    print(f"with true convolution (flip: true): y = {float(flipped.scores()[0, 0]):.12f}")


if __name__ == "__main__":
    main()
