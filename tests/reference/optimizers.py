"""One step of an optimizer on flat arrays, as PyTorch defines it: new parameters and new slots are returned.

`lr` and `weight_decay` may be arrays, one number per parameter.
"""

from __future__ import annotations

import numpy as np

from .numeric import Array

Rate = float | Array


def sgd(
    theta: Array,
    grad: Array,
    velocity: Array,
    *,
    lr: Rate,
    momentum: float = 0.0,
    nesterov: bool = False,
    weight_decay: Rate = 0.0,
) -> tuple[Array, Array]:
    """(theta, velocity); the velocity starts at 0."""
    grad = grad + weight_decay * theta
    velocity = momentum * velocity + grad
    direction = grad + momentum * velocity if nesterov else velocity
    return theta - lr * direction, velocity


def adam(
    theta: Array,
    grad: Array,
    mean: Array,
    square: Array,
    *,
    step: int,
    lr: Rate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Rate = 0.0,
) -> tuple[Array, Array, Array]:
    """(theta, mean, square); decay is added to the gradient, `step` counts from 1, both averages start at 0."""
    grad = grad + weight_decay * theta
    mean = betas[0] * mean + (1 - betas[0]) * grad
    square = betas[1] * square + (1 - betas[1]) * grad**2
    unbiased_mean = mean / (1 - betas[0] ** step)
    unbiased_square = square / (1 - betas[1] ** step)
    return theta - lr * unbiased_mean / (np.sqrt(unbiased_square) + eps), mean, square


def adamw(
    theta: Array,
    grad: Array,
    mean: Array,
    square: Array,
    *,
    step: int,
    lr: Rate = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: Rate = 0.01,
) -> tuple[Array, Array, Array]:
    """Adam with the decay taken straight off the parameters: theta (1 - lr weight_decay) first."""
    return adam(theta * (1 - lr * weight_decay), grad, mean, square, step=step, lr=lr, betas=betas, eps=eps)


def adagrad(
    theta: Array, grad: Array, total: Array, *, lr: Rate = 0.01, eps: float = 1e-10, weight_decay: Rate = 0.0
) -> tuple[Array, Array]:
    """(theta, sum of squares), which starts at 0."""
    grad = grad + weight_decay * theta
    total = total + grad**2
    return theta - lr * grad / (np.sqrt(total) + eps), total


def rmsprop(
    theta: Array,
    grad: Array,
    square: Array,
    mean: Array,
    velocity: Array,
    *,
    lr: Rate = 0.01,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: Rate = 0.0,
) -> tuple[Array, Array, Array, Array]:
    """(theta, square, mean, velocity), which all start at 0."""
    grad = grad + weight_decay * theta
    square = alpha * square + (1 - alpha) * grad**2
    mean = alpha * mean + (1 - alpha) * grad
    velocity = momentum * velocity + grad / (np.sqrt(square - mean**2 if centered else square) + eps)
    return theta - lr * velocity, square, mean, velocity
