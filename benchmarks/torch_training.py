"""The losses and optimizers of ours in PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_network import TorchNetwork

from cnncli.losses._squared_error import SquaredError
from cnncli.losses.base import Loss
from cnncli.losses.softmax_cross_entropy import SoftmaxCrossEntropy
from cnncli.optimizers._adam import AdamBase
from cnncli.optimizers.base import Optimizer
from cnncli.optimizers.sgd import Sgd
from cnncli.registry import name_of


def loss_of(loss: Loss, classes: int) -> tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """What is minimised as a function of outputs and targets, and the targets that go with labels."""
    if isinstance(loss, SoftmaxCrossEntropy):
        return F.cross_entropy, lambda labels: labels
    if isinstance(loss, SquaredError):
        factor, (low, high) = loss.factor(classes), loss.targets

        def squared(outputs: Tensor, targets: Tensor) -> Tensor:
            weight = factor * loss.weight(len(outputs))
            if weight == 1 / targets.numel():
                return F.mse_loss(outputs, targets)
            return weight * F.mse_loss(outputs, targets, reduction="sum")

        return squared, lambda labels: low + (high - low) * F.one_hot(labels, classes).float()
    raise ValueError(f"loss {name_of(loss)} has no form in PyTorch here; add it to benchmarks/torch_training.py")


def optimizer_of(optimizer: Optimizer, network: TorchNetwork, lr: float, **how: bool) -> torch.optim.Optimizer:
    """The same optimizer; `how` chooses PyTorch's implementation (foreach, fused)."""
    decaying = [tensor for name, tensor in network.tensors().items() if name not in network.spared]
    spared = [tensor for name, tensor in network.tensors().items() if name in network.spared]
    groups = [{"params": decaying, "weight_decay": optimizer.weight_decay}, {"params": spared, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if isinstance(optimizer, Sgd):
        return torch.optim.SGD(groups, lr=lr, momentum=optimizer.momentum, nesterov=optimizer.nesterov, **how)
    if isinstance(optimizer, AdamBase):
        kind = torch.optim.AdamW if optimizer.decoupled else torch.optim.Adam
        return kind(groups, lr=lr, betas=optimizer.betas, eps=optimizer.eps, **how)
    raise ValueError(f"optimizer {name_of(optimizer)} has no form in PyTorch here")
