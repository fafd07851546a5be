"""1.16, 7.3, A2: the example network and its whole back-propagation (k = 1, t = 0)."""

from __future__ import annotations

import numpy as np

from .vector import Array, Printed, Step, Vector, maps, row, weights

r, s = np.mgrid[:16, :16]
k, t = np.mgrid[-1:2, -1:2]
X = maps(((3 * r + 5 * s) % 11 - 5) / 5)
STRONGER_X = maps(((7 * r**2 + 3 * r * s + 5 * s**2 + 2 * r) % 17 - 8) / 8)  # the one above repeats itself at (2, 1)
K1 = np.where((k == 0) & (t == 0), 0.3, 0.1 * (k + 2 * t))
K4 = 0.2 - 0.1 * np.abs(k) + 0.05 * t
UNIT: Array = (0.1 * (k - t) + 0.05).reshape(1, 9)


def example(name: str, x: Array, *printed: Printed, flip: bool = False) -> Vector:
    """Two convolutions with matrix biases, each with softplus and skipping, and one softplus unit without bias."""
    soft, skip = Step("softplus"), Step("subsample2d", options={"skip": (1, 1)})
    first = Step("conv2d", {**weights(K1), "bias": np.full((1, 14, 14), 0.05)}, {"flip": flip})
    second = Step("conv2d", {**weights(K4), "bias": np.full((1, 5, 5), -0.02)}, {"flip": flip})
    steps = (first, soft, skip, second, soft, skip, Step("linear", {"weight": UNIT}), soft)
    return Vector(name, x, steps, printed, target=np.zeros((1, 1)))


EXAMPLE_VECTORS = [
    example(
        "example network",
        X,
        Printed("conv2d_1.y", "0.47 0.11", lambda y: y[0, 0, [0, 13], [0, 13]], exact=True),
        Printed("subsample2d_2.y", "1.185794285012 1.202360067393 1.248922248339", row(0)),
        Printed("linear_1.y", "0.540871817376997", np.ravel),
        Printed("y", "0.999713649714211", np.ravel),
        Printed("loss", "0.499713690712454", np.ravel),
        Printed("linear_1.dweight", "0.749225411453 0.759692239702 0.789111819151", lambda dw: dw.ravel()[:3]),
        Printed(
            "conv2d_2.dweight",
            """0.197623349423 0.182568552223 0.164702579806 / 0.127489525200 0.105662059034 0.096577649859 /
            0.150076529253 0.197623349423 0.182568552223""",
            np.ravel,
        ),
        Printed(
            "conv2d_1.dweight",
            """-0.000950123910 -0.002103498994 0.016609988959 / -0.001469578546 0.004940376293 -0.008957039566 /
            -0.009659611229 -0.000950123910 -0.002103498994""",
            np.ravel,
        ),
        Printed("conv2d_2.dbias", "0.198840651047963", np.sum),
        Printed("conv2d_1.dbias", "0.121498470597613", np.sum),
        Printed("dx", "0.0364495411792838", np.sum),
    ),
    example(
        "example network flipped",
        X,
        Printed("linear_1.y", "0.541926789783368", np.ravel),
        Printed("y", "1.00038053772248", np.ravel),
        flip=True,
    ),
    example(
        "example network on an image without a period",
        STRONGER_X,
        Printed("linear_1.y", "0.559025869834", np.ravel),
        Printed("y", "1.011225549517", np.ravel),
        Printed(
            "conv2d_2.dweight",
            """0.158418475598 0.166798131560 0.149824003385 / 0.098608531240 0.214111409642 0.123135354986 /
            0.175057202896 0.169320073096 0.190920189497""",
            np.ravel,
        ),
        Printed(
            "conv2d_1.dweight",
            """-0.035176436678 -0.009320673116 -0.024940861231 / -0.012665754990 0.017476989659 0.011121379750 /
            -0.027452695611 -0.018311077731 -0.017965797887""",
            np.ravel,
        ),
        Printed("conv2d_2.dbias", "0.205892672683", np.sum),
        Printed("conv2d_1.dbias", "0.130990692961", np.sum),
        Printed("dx", "0.039297207888", np.sum),
    ),
    example(
        "example network flipped on an image without a period",
        STRONGER_X,
        Printed("linear_1.y", "0.533038352275", np.ravel),
        flip=True,
    ),
]
