"""A ResNet-20 written in PyTorch, its weights taken over by ``cnn import``, and the outputs of both compared.

    python benchmarks/torch_resnet20.py

Needs torch and safetensors (the extras ``bench`` and ``safetensors``). PyTorch's names become ours by patterns; nothing
else is said.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

import cnncli

CONFIG = Path(__file__).parents[1] / "configs" / "resnet20.yaml"
MEAN, STD = 0.5, 0.25
NARROWING = (3, 6)  # blocks that halve the maps


class Block(nn.Module):
    """Two convolutions beside a shortcut, as in the paper (option B)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    """Three stages of three blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        sizes = [(16, 16, 1), (16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
        self.blocks = nn.Sequential(*(Block(*size) for size in [*sizes, (64, 64, 1)]))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        y = self.blocks(torch.relu(self.bn1(self.conv1(x))))
        return torch.softmax(self.fc(y.mean(dim=(2, 3))), dim=1)


def names(ours: list[str]) -> list[str]:
    """``OLD=NEW`` for every layer with weights; `ours` are the names of the residual blocks in order."""
    pairs = ["conv1.*=conv_1.conv2d_1.*", "bn1.*=conv_1.batch_norm2d_1.*", "fc.*=linear_1.*"]
    for number, block in enumerate(ours):
        theirs = f"blocks.{number}"
        for k in (1, 2):
            pairs.append(f"{theirs}.conv{k}.*={block}.conv_{k}.conv2d_1.*")
            pairs.append(f"{theirs}.bn{k}.*={block}.conv_{k}.batch_norm2d_1.*")
        if number in NARROWING:
            pairs.append(f"{theirs}.shortcut.0.*={block}.shortcut.conv2d_1.*")
            pairs.append(f"{theirs}.shortcut.1.*={block}.shortcut.batch_norm2d_1.*")
    return pairs


def main() -> None:
    """Compare on random images."""
    torch.manual_seed(0)
    theirs = ResNet20()
    images = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    x = (x - MEAN) / STD
    theirs.train()
    for _ in range(20):  # so that the running averages are those of real maps
        theirs(x)
    theirs.eval()
    with torch.no_grad():
        expected = theirs(x).numpy()
    with tempfile.TemporaryDirectory() as folder:
        weights, made = Path(folder, "resnet20.safetensors"), Path(folder, "resnet20.npz")
        save_file(theirs.state_dict(), weights)
        renamings = Path(folder, "names.txt")
        renamings.write_text("\n".join(names([f"residual_{k}" for k in range(1, 10)])))
        settings = [f"data.normalize={{mean: {MEAN}, std: {STD}}}"]
        command = [sys.executable, "-m", "cnncli", "import", str(CONFIG), str(weights), *settings]
        subprocess.run([*command, "--map-file", str(renamings), "-o", str(made)], check=True)
        found = np.array([answer.scores for answer in cnncli.load(made).predict(images)])
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"largest difference {error:.1e} of the largest probability, {expected.max():.3f}")
    if error > 1e-5:
        raise SystemExit("the outputs differ")


if __name__ == "__main__":
    main()
