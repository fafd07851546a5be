"""What must not change a bit: neighbours in the batch, its size, lanes, memory, repetition, threads."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, Case
from rig import Rig, assert_same_bits, gradient, inputs, parameters

from cnncli import _fast
from cnncli.workspace import lanes_for

BATCH_DEPENDENT = {"batch_norm2d"}  # in training; in evaluation images are independent in every layer
EVERY_KERNEL = [
    pytest.param(variant, dtype, id=f"{variant}-{dtype}")
    for variant in _fast.available()
    for dtype in ("float32", "float64")
]
# (batch size of the network, images of the batch): alone and among others, reversed, on 8 lanes and on 32
BATCHES = [(1, [36]), (8, [4, 3, 36, 9]), (33, list(range(36, 3, -1))), (96, [36, 0])]


@pytest.mark.parametrize(("variant", "dtype"), EVERY_KERNEL)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_image_knows_nothing_of_its_batch(case: Case, variant: str, dtype: str) -> None:
    training = case.type not in BATCH_DEPENDENT and not case.layer().plan(case.in_shapes).random
    xs, params = inputs(case, 40), parameters(case)

    def passes(size: int, images: list[int]) -> list[np.ndarray]:
        rig = Rig(case, size, dtype=dtype, variant=variant)
        y = rig.forward([x[images] for x in xs], params, training=training)
        return [y, *(rig.backward(gradient((40, *y.shape[1:]))[images])[0] if training else ())]

    together = passes(40, list(range(40)))
    assert {lanes_for(size) for size, _ in BATCHES} == {8, 32}
    for size, images in BATCHES:
        for found, wanted in zip(passes(size, images), together, strict=True):
            np.testing.assert_array_equal(found, wanted[images])


@pytest.mark.parametrize(("variant", "dtype"), EVERY_KERNEL)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_repetition_memory_and_threads(case: Case, variant: str, dtype: str) -> None:
    """The same batch again, in a larger network, on two threads and on four: the same bits, also of the parameters."""
    n = 897  # enough work for the kernels to wake threads even on small maps
    xs, params = inputs(case, n), parameters(case)
    rig = Rig(case, n, dtype=dtype, variant=variant)
    first = rig.answer(xs, params)
    assert_same_bits(rig.answer(xs, params), first)
    for size, threads in ((n, 2), (n + 70, 4)):
        assert_same_bits(Rig(case, size, dtype=dtype, variant=variant, threads=threads).answer(xs, params), first)
