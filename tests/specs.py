"""Config texts that tests edit, and how they load them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnncli import spec
from cnncli.errors import SpecError

GOOD = """\
data:
  train: ../digits
  validation: 0.1
  image: {size: [28, 28], channels: 1}
  classes: 10
  normalize: auto
model:
  - conv2d: {out_channels: 6, kernel_size: 5, padding: 2}
  - relu
  - max_pool2d: {kernel_size: 2}
  - conv2d:
      out_channels: 16
      kernel_size: 5
    name: c3
  - relu
  - max_pool2d: {kernel_size: 2}
  - linear: {out_features: 120}
  - relu
  - linear: {out_features: 10}
loss: softmax_cross_entropy
optimizer: {sgd: {lr: 0.05, momentum: 0.9, weight_decay: 5e-4}}
schedule: {cosine: {warmup_epochs: 1}}
train: {epochs: 12, batch_size: 64, seed: 0, save_every: 1 epoch}
"""

BRANCHED = """\
model:
  - add: {}
    name: sum
    inputs: [a, b]
  - conv2d: {out_channels: 4, kernel_size: 3, padding: 1}
    name: a
    inputs: stem
  - conv2d: {out_channels: 4, kernel_size: 1}
    name: b
    inputs: stem
  - conv2d: {out_channels: 4, kernel_size: 3}
    name: stem
    inputs: input
  - linear: {out_features: 2}
    inputs: [sum]
"""


def load(tmp_path: Path, text: str, *overrides: str) -> spec.RunSpec:
    folder = tmp_path / "configs"
    folder.mkdir(exist_ok=True)
    (folder / "net.yaml").write_text(text)
    return spec.load(str(folder / "net.yaml"), overrides)


def problems(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    """The lines of the error, without the folder."""
    with pytest.raises(SpecError) as error:
        load(tmp_path, text, *overrides)
    assert error.value.exit_code == 2
    return str(error.value).replace(f"{tmp_path}/configs/", "").splitlines()
