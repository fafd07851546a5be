"""1.6 and E5: activations and their derivatives at single points.

E5 prints 2.0611537e-9 for the last derivative of the sigmoid; e / (1 + e)^2 with e = exp(-20) is 2.06115361e-9.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .vector import Array, Printed, Step, Vector, maps, one


def points(*x: float) -> Array:
    return maps([x])


def activation(name: str, x: Array, text: str, layer: str, tensor: str = "y", **options: Any) -> Vector:
    return Vector(name, x, one(layer, **options), (Printed(tensor, text, np.ravel),))


def sigmoids(depth: int, *printed: Printed) -> Vector:
    """A stack of sigmoids each of which sees 0, where its slope is greatest."""
    shift = Step("linear", {"weight": np.ones((1, 1)), "bias": np.array([-0.5])})  # the sigmoid of 0 is 0.5
    return Vector(f"{depth} sigmoids", points(0.5), (shift, Step("sigmoid")) * depth, printed)


LECUN_TANH: dict[str, Any] = {"amplitude": 1.7159, "slope": 2 / 3}
ACTIVATION_VECTORS = [
    activation("sigmoid'", points(1, 5), "0.196611933241482 0.00664805667079", "sigmoid", "dx"),
    activation("sigmoid' far out", points(20), "2.0611536e-9", "sigmoid", "dx"),
    Vector("sigmoid' at 0", points(0), one("sigmoid"), (Printed("dx", "0.25", np.ravel, exact=True),)),
    activation("scaled tanh", points(1), "0.9999972559", "tanh", **LECUN_TANH),
    activation("scaled tanh'", points(0, 1), "1.1439333 0.7554124359", "tanh", "dx", **LECUN_TANH),
    activation(
        "softplus",
        points(0, 1, -1, 10),
        "0.693147180559945 1.31326168751822 0.313261687518223 10.0000453988992",
        "softplus",
    ),
    activation(
        "softplus 1e4",
        points(0, 1e-4, -1e-4, 1e-3),
        "6.93147180559945e-5 1.31326168751822e-4 3.13261687518223e-5 1.00000453988992e-3",
        "softplus",
        k=1e4,
    ),
    Vector("softplus 1e4 far", points(1, -1), one("softplus", k=1e4), (Printed("y", "1 0", np.ravel, exact=True),)),
    activation(
        "softabs",
        points(1, -1, 2, -2, 10),
        "0.240229013916555 0.240229013916555 0.867561660966054 0.867561660966054 8.61379643667854",
        "softabs",
    ),
    activation("softabs 10", points(1), "0.861379643667854", "softabs", k=10.0),
    activation("softabs 1e4", points(1), "0.999861370563888", "softabs", k=1e4),
    sigmoids(5, Printed("dx", "9.765625e-4", np.ravel, exact=True)),
    sigmoids(10, Printed("dx", "9.53674e-7", np.ravel)),
    sigmoids(20, Printed("dx", "9.09495e-13", np.ravel)),
    sigmoids(63, Printed("dx", f"{2.0**-126}", np.ravel, exact=True)),
]
