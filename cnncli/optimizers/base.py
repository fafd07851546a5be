"""What an optimizer is: hyperparameters, the vectors it keeps, and one step on flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cnncli.fields import at_least, field


@dataclass
class Update:
    """The arrays of one step: all parameters of a network, their gradients and the optimizer's own vectors.

    Attributes
    ----------
    theta, grad : ndarray
    slots : dict of str to ndarray
        As long as theta, zero before the first step.
    ends, rates, decays : ndarray
        Where each tensor ends, and its factors on learning rate and weight decay.
    kernels : cnncli._fast.Kernels
    threads : int
    """

    theta: np.ndarray
    grad: np.ndarray
    slots: dict[str, np.ndarray]
    ends: np.ndarray
    rates: np.ndarray
    decays: np.ndarray
    kernels: Any
    threads: int


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Base of all optimizers: one frozen keyword-only dataclass per file, found by its file's name."""

    lr: float = field(at_least(0), default=0.01, doc="learning rate")
    weight_decay: float = field(at_least(0), default=0.0, doc="weight decay (biases and normalisation are spared)")

    def slots(self) -> tuple[str, ...]:
        """Names of the vectors it keeps between steps."""
        return ()

    def step(self, u: Update, lr: float, t: int) -> None:
        """Update ``u.theta`` in place: step number `t`, from 1, at learning rate `lr`."""
        raise AssertionError(f"{type(self).__name__} has no step")
