"""Sigmoid linear units, also known as swish."""

from __future__ import annotations

from dataclasses import dataclass

from cnncli.layers._pointwise import Function, Pointwise


@dataclass(frozen=True, kw_only=True)
class Silu(Pointwise):
    """y = x / (1 + exp(-x)).

    References
    ----------
    Elfwing, Uchibe and Doya, "Sigmoid-weighted linear units for neural network function approximation in reinforcement
    learning", Neural Networks 2018, eq 5; Ramachandran, Zoph and Le, "Searching for activation functions", 2017.
    """

    function = Function.SILU
