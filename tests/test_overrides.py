"""``KEY=VALUE`` on the command line: as good as an edit of the file, and wrong in its own name."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs import GOOD, load, problems


@pytest.mark.parametrize(
    ("override", "old", "new"),
    [
        ("train.epochs=3", "epochs: 12", "epochs: 3"),
        ("train.save_every=500 steps", "1 epoch", "500 steps"),
        ("train={epochs: 12}", ", batch_size: 64, seed: 0, save_every: 1 epoch}", "}"),
        ("optimizer.sgd.lr=1e-1", "lr: 0.05", "lr: 0.1"),
        ("optimizer=adam", "{sgd: {lr: 0.05, momentum: 0.9, weight_decay: 5e-4}}", "adam"),
        ("loss.softmax_cross_entropy=", "", ""),
        ("model.c3.out_channels=32", "out_channels: 16", "out_channels: 32"),
        ("model.c3.conv2d.out_channels=32", "out_channels: 16", "out_channels: 32"),
        ("model.3.out_channels=32", "out_channels: 16", "out_channels: 32"),
        ("model.c3.name=c4", "c3", "c4"),
        ("model.c3.kernel_size=[3, 5]", "kernel_size: 5\n", "kernel_size: [3, 5]\n"),
        ("model.conv2d_1.padding=0", ", padding: 2", ""),
        ("model.relu_1={leaky_relu: {slope: 0.1}}", "- relu\n  - max", "- leaky_relu: {slope: 0.1}\n  - max"),
        ("model.relu_1.name=r", "- relu\n  - max", "- {relu: , name: r}\n  - max"),
        ("data.validation=", "  validation: 0.1\n", ""),
        ("data.classes=[a,b,c,d,e,f,g,h,i,j]", "classes: 10", "classes: [a,b,c,d,e,f,g,h,i,j]"),
        ("data.image.size.0=32", "size: [28,", "size: [32,"),
    ],
)
def test_an_override_is_as_good_as_an_edit(tmp_path: Path, override: str, old: str, new: str) -> None:
    assert load(tmp_path, GOOD, override) == load(tmp_path, GOOD.replace(old, new, 1))


def test_overrides_make_what_is_not_there(tmp_path: Path) -> None:
    run = load(tmp_path, "model: [relu, linear: ]\ntrain:\noptimizer: sgd\n",
               "model.linear_1.out_features=2", "train.epochs=1", "optimizer.sgd.lr=1", "schedule.step.step_epochs=2",
               "data.image.size=8", "data.image.channels=3")  # fmt: skip
    assert (run.train.epochs, run.data.in_shape) == (1, (3, 8, 8))
    assert (run.optimizer.lr, run.schedule.step_epochs) == (1.0, 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs=many", "train.epochs: must be a whole number, at least 0; found 'many'"),
        ("train.epochs=", "train.epochs: must be a whole number, at least 0; found nothing"),
        ("train.epoch=3", "train.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("trian.epochs=3", "trian: unknown key 'trian'; did you mean 'train'?"),
        ("train.epochs", "train.epochs: must look like KEY=VALUE, for example train.epochs=3"),
        ("train.epochs=[3", "train.epochs: a ',' or the ']' at the end of a list"),
        ("train.epochs=!!int 3", "train.epochs: tags ('!...') are not supported"),
        ("train.epochs.max=3", "train.epochs.max: train.epochs is 12, which has no 'max' in it"),
        ("model.c4.out_channels=3", "model.c4.out_channels: there is no layer 'c4'; allowed: conv2d_1,"),
        ("model.conv2d1.out_channels=3", "model.conv2d1.out_channels: there is no layer 'conv2d1'; did you mean"),
        ("model.9=relu", "model.9: there is no entry '9' in a list of 9, counted from 0"),
        ("data.image.size.h=3", "data.image.size.h: there is no entry 'h' in a list of 2"),
        ("model.c3.outchannels=3", "model.c3.outchannels: unknown key 'outchannels'; did you mean 'out_channels'?"),
        ("model.c3.linear.out_features=3", "model.c3.linear: unknown key 'linear'; allowed: out_channels,"),
        ("model.c3.inputs=relu_9", "model.c3.inputs: there is no layer 'relu_9'; did you mean"),
        ("model.c3={conv2d: {out_channels: 16, kernel_size: 15}}", "model.conv2d_2: a kernel of 15 does not fit"),
        ("optimizer.adam.lr=3", "optimizer.adam: must have one key, with the options indented below it; found"),
        ("loss=mse", "loss: unknown loss 'mse'; did you mean 'mean_squared_error'?"),
        ("data.classes=[a, a]", "data.classes: must be all different, found ['a', 'a']"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_override_is_that_of_the_command_line(tmp_path: Path, override: str, message: str) -> None:
    (line,) = problems(tmp_path, GOOD, override)
    assert line.startswith(f"command line: {message}")


def test_paths_start_from_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = GOOD + "#"
    run = load(tmp_path, text.replace("validation: 0.1", "validation: /v\n  test: t/u"), "data.train=here")
    assert (run.data.train, run.data.validation) == (str(tmp_path / "here"), "/v")
    assert run.data.test == str(tmp_path / "configs" / "t" / "u")
    run = load(tmp_path, text, "data={train: ~/x, test: ../y}")
    assert (run.data.train, run.data.test) == (str(tmp_path / "~" / "x"), str(tmp_path.parent / "y"))
