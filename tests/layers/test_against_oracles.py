"""Every row of the table of layers, forward and backward, against the plain functions of `reference`."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, ROWS, Case
from oracles import ORACLES
from rig import Rig, assert_close, expected, inputs, parameters

from cnncli import _fast, registry
from cnncli.layers._winograd import Filled, Winograd

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}  # of the largest element of a tensor
WINOGRAD = {"float64": 1e-10, "float32": 4e-5}  # its transforms multiply rounding errors; found: 1.4e-5
# (batch size of the network, images in the batch): 8 lanes and 32, one image in the last block, blocks left empty
BATCHES = [(1, 1), (8, 5), (33, 33), (72, 70), (96, 40)]
WITH_ORACLE = [case for case in CASES if case.type in ORACLES]


def tolerance(rig: Rig) -> dict[str, float]:
    """By precision, for the layer of a rig."""
    return WINOGRAD if isinstance(rig.buffers.algorithm, Winograd | Filled) else TOLERANCE


def test_every_layer_has_rows_and_an_oracle() -> None:
    layers = set(registry.names("layers"))
    assert layers - {case.type for case in ROWS} == set(), "add rows to tests/cases.py"
    assert layers - set(ORACLES) == set(), "add oracles to tests/oracles.py"
    assert set(ORACLES) - layers == set()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("variant", _fast.available())
@pytest.mark.parametrize("case", WITH_ORACLE, ids=str)
def test_both_passes(case: Case, variant: str, dtype: str) -> None:
    rigs = {size: Rig(case, size, dtype=dtype, variant=variant) for size, _ in BATCHES}
    for size, n in BATCHES:
        rig = rigs[size]
        wanted = expected(case, n, rig.network.lanes)
        assert wanted.y.shape[1:] == rig.graph.shapes[rig.graph.output]
        assert_close(rig.answer(inputs(case, n), parameters(case)), wanted, tolerance(rig)[dtype])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", WITH_ORACLE, ids=str)
def test_equal_values_and_zeros(case: Case, dtype: str) -> None:
    """Ties go to the first of several maxima, and gradients at a kink are what the docstrings say."""
    rig = Rig(case, 40, dtype=dtype)
    answer = rig.answer(inputs(case, 40, whole=True), parameters(case))
    assert_close(answer, expected(case, 40, 32, whole=True), tolerance(rig)[dtype])


IN_PLACE = [case for case in CASES if case.layer().plan(case.in_shapes).in_place]


@pytest.mark.parametrize("case", IN_PLACE, ids=str)
def test_in_place(case: Case) -> None:
    """The output may lie in the input's memory, its gradient in that of the other."""
    rig = Rig(case, 33, behind=True)
    assert np.shares_memory(rig.buffers.x, rig.buffers.y)
    assert_close(rig.answer(inputs(case, 33), parameters(case)), expected(case, 33, 32), TOLERANCE["float64"])


TRAINED = [case for case in WITH_ORACLE if case.layer().plan(case.in_shapes).params]


@pytest.mark.parametrize("case", TRAINED, ids=str)
def test_first_layer(case: Case) -> None:
    """Where nobody wants the gradient of the input, those of the parameters come all the same."""
    rig = Rig(case, 33, input_gradient=False)
    assert rig.buffers.dx is None
    answer, wanted = rig.answer(inputs(case, 33), parameters(case)), expected(case, 33, 32)
    assert_close(answer._replace(dxs=wanted.dxs), wanted, TOLERANCE["float64"])


def test_the_tests_above_have_something_to_test() -> None:
    assert {"relu", "dropout"} <= {case.type for case in IN_PLACE}
    assert {"conv2d", "linear"} <= {case.type for case in TRAINED}
    plans = [case.layer().plan(case.in_shapes) for case in CASES if case.type == "conv2d"]
    assert len({type(plan.algorithm) for plan in plans}) == 4
