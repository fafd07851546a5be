"""Arrays whose rows lie apart, because a neighbour wants borders round them: they change no bit of any layer."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, Case
from rig import Rig, assert_same_bits, inputs, parameters

from cnncli.layers.base import Frame
from cnncli.workspace import Maps

WIDE: tuple[Frame, ...] = ((1, 2, 3, 1), (0, 1, 0, 2), (2, 0, 1, 0), (1, 1, 2, 2))
ALONE = [case for case in CASES if not type(case.layer()).several_inputs]


def _wider(frame: Frame, by: Frame) -> Frame:
    return (frame[0] + by[0], frame[1] + by[1], frame[2] + by[2], frame[3] + by[3])


@pytest.mark.parametrize("case", ALONE, ids=str)
def test_borders_of_neighbours(case: Case) -> None:
    n = 40
    rig, params, xs = Rig(case, n), parameters(case), inputs(case, n)
    first = rig.answer(xs, params)
    b, plan = rig.buffers, rig.graph.plans["layer"]

    def maps(shape: tuple[int, ...], frame: Frame, value: float = 0.0) -> Maps:
        return Maps((shape[1], shape[2], shape[3]), shape[0], shape[4], np.float64, frame, value)

    x = maps(b.x.shape, _wider(plan.frame, WIDE[0]), plan.frame_value)
    dy = maps(b.dy.shape, _wider(plan.grad_frame, WIDE[1]))
    b.x, b.x_framed = x.inside, x.framed(plan.frame)
    b.dy, b.dy_framed = dy.inside, dy.framed(plan.grad_frame)
    b.y, b.dx = maps(b.y.shape, WIDE[2]).inside, maps(b.dx.shape, WIDE[3]).inside
    b.xs, b.dxs = (b.x,), (b.dx,)
    assert_same_bits(rig.answer(xs, params), first)
