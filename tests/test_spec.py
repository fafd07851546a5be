"""Configs to values and back; every mistake is found, at its place, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs import BRANCHED, GOOD, load, problems

from cnncli import spec
from cnncli.errors import MissingError, SpecError
from cnncli.spec import INPUT, DataSpec, Image, Interval, TrainSpec


def test_a_good_config_has_the_values_it_says(tmp_path: Path) -> None:
    run = load(tmp_path, GOOD)
    assert run.data == DataSpec(
        train=str(tmp_path / "digits"), validation=0.1, image=Image(size=(28, 28), channels=1), classes=10
    )
    assert run.data.in_shape == (1, 28, 28)
    assert run.data.class_count == 10
    assert run.train == TrainSpec(epochs=12, batch_size=64, seed=0, save_every=Interval(1, "epoch"))
    assert [node.name for node in run.model] == [
        "conv2d_1", "relu_1", "max_pool2d_1", "c3", "relu_2", "max_pool2d_2", "linear_1", "relu_3", "linear_2",
    ]  # fmt: skip
    assert run.model[0].inputs == (INPUT,)
    assert all(node.inputs == (before.name,) for before, node in zip(run.model, run.model[1:], strict=False))
    assert run.model[3].layer.kernel_size == (5, 5)  # type: ignore[attr-defined]
    assert run.optimizer.weight_decay == 5e-4
    assert run.source.endswith("net.yaml")


def test_only_the_model_is_required(tmp_path: Path) -> None:
    run = load(tmp_path, "model: [relu]")
    assert (run.data, run.train) == (DataSpec(), TrainSpec())
    names = [type(part).__name__ for part in (run.loss, run.optimizer, run.schedule)]
    assert names == ["SoftmaxCrossEntropy", "Sgd", "Constant"]


def test_named_layers_count_in_the_numbers_of_the_others(tmp_path: Path) -> None:
    run = load(tmp_path, "model: [relu, {relu: , name: second}, relu: {}, linear: {out_features: 2}]")
    assert [node.name for node in run.model] == ["relu_1", "second", "relu_3", "linear_1"]


def test_nodes_are_sorted_and_the_last_of_the_list_stays_last(tmp_path: Path) -> None:
    run = load(tmp_path, BRANCHED)
    assert [(node.name, node.inputs) for node in run.model] == [
        ("stem", (INPUT,)), ("a", ("stem",)), ("b", ("stem",)), ("sum", ("a", "b")), ("linear_1", ("sum",)),
    ]  # fmt: skip
    plans = spec.trace(run, (3, 8, 8), 2)
    assert [plan.out_shape for plan in plans] == [(4, 6, 6)] * 4 + [(2, 1, 1)]


# --- one mistake each: what is replaced in GOOD, by what, where it is reported, and with which words

MISTAKES = [
    # the whole
    ("model:", "modle:", "7:1", ["modle: unknown key 'modle'", "did you mean 'model'?"]),
    ("loss: softmax_cross_entropy", "epochs: 3", "20:1", ["unknown key 'epochs'; did you mean 'train.epochs'?"]),
    ("loss: softmax_cross_entropy", "wheels: 3", "20:1", ["unknown key 'wheels'", "allowed: data, blocks, model"]),
    ("loss: softmax_cross_entropy", "data: {}", "20:1", ["'data' is given twice", "first in line 1"]),
    ("train: {epochs: 12,", "\ttrain: {epochs: 12,", "23:1", ["tab", "spaces"]),
    ("train: {epochs: 12,", "train: !!map {epochs: 12,", "23:8", ["tags"]),
    ("train: {epochs: 12,", "train: {<<: {epochs: 12},", "23:9", ["merge keys"]),
    ("  - relu\n", " - relu\n", "9:2", ["indentation"]),
    ("size: [28, 28]", "size: [28, 28", "4:37", ["the ']' at the end of a list is missing"]),
    ("loss: softmax_cross_entropy", "loss: a: b", "20:8", ["':' is not allowed here"]),
    ("channels: 1}", "channels: 1", "5:10", ["the '}' at the end of a mapping is missing"]),
    ("classes: 10", "classes: *names", "5:12", ["undefined alias 'names'"]),
    ("classes: 10", "classes:10", "6:3", ["a ':' is missing before this line"]),
    # data
    ("  validation: 0.1", "  validation: 10%", "3:15", ["a share such as 0.1, or a path, found '10%'"]),
    ("  validation: 0.1", "  valid: 0.1", "3:3", ["unknown key 'valid'; did you mean 'validation'?"]),
    ("  validation: 0.1", "  validatoin: 0.1", "3:3", ["data.validatoin: unknown key", "did you mean 'validation'?"]),
    ("  validation: 0.1", "  augment: {shift: 2}", "3:12", ["must be a list of augmentations such as {shift: 2}"]),
    ("  validation: 0.1", "  augment: [{shfit: 2}]", "3:14", ["data.augment.0.shfit", "did you mean 'shift'?"]),
    ("  validation: 0.1", "  augment: [shift: {p: 1, pixels: 2}]", "3:21", ["unknown key 'p'"]),
    ("  validation: 0.1", "  augment: [flip, {shift: -2}]", "3:27", ["augment.1.shift: must be at least 0, found -2"]),
    ("  validation: 0.1", "  fill: 2", "3:9", ["data.fill: must be at least 0 and at most 1, found 2"]),
    ("  validation: 0.1", "  fill: egde", "3:9", ["'auto', 'edge' or a number", "found 'egde'"]),
    ("  validation: 0.1", "  validation: 1.5", "3:15", ["greater than 0 and less than 1, found 1.5"]),
    ("  validation: 0.1", "  validation: 0", "3:15", ["greater than 0 and less than 1, found 0"]),
    ("  validation: 0.1", "  validation: [a]", "3:15", ["a number, text or nothing", "found ['a']"]),
    ("  train: ../digits", "  train: 5", "2:10", ["data.train: must be text", "found 5"]),
    ("  train: ../digits", "  train: ''", "2:10", ["must be not empty, found ''"]),
    ("channels: 1", "channels: 2", "4:37", ["data.image.channels: must be 1 or 3, found 2"]),
    ("channels: 1", "chanels: 1", "4:27", ["unknown key 'chanels'", "did you mean 'channels'?"]),
    (", channels: 1", "", "4:3", ["data.image: 'channels' is missing: 1 is grey, 3 is colour"]),
    ("size: [28, 28]", "size: [28, 28, 1]", "4:17", ["a whole number or a list of two, at least 1; found [28, 28, 1]"]),
    ("size: [28, 28]", "size: [28, 0]", "4:22", ["data.image.size.1: must be at least 1, found 0"]),
    ("size: [28, 28]", "size: 28x28", "4:17", ["found '28x28'"]),
    ("image: {size: [28, 28], channels: 1}", "image: 28", "4:10", ["mapping with the keys size, channels", "found 28"]),
    ("classes: 10", "classes: 1", "5:12", ["must be at least 2, found 1"]),
    ("classes: 10", "classes: ten", "5:12", ["a whole number, a list of texts or nothing", "found 'ten'"]),
    ("classes: 10", "classes: [a, b, a]", "5:12", ["must be all different"]),
    ("classes: 10", "classes: [a]", "5:12", ["at least two names"]),
    ("classes: 10", "classes: [cat, 7]", "5:18", ["data.classes.1: must be text", "put it in quotes: '7'"]),
    ("normalize: auto", "normalize: atuo", "6:14", ["'auto', 'none' or a mapping with the keys mean, std", "'atuo'"]),
    ("normalize: auto", "normalize: {mean: 0.5}", "6:3", ["data.normalize: 'std' is missing"]),
    ("normalize: auto", "normalize: {mean: 0.5, std: 0}", "6:31", ["std: must be greater than 0, found 0"]),
    ("normalize: auto", "normalize: {mean: [0, 0, 0], std: 1}", "6:21", ["one for each of 1 channels"]),
    # layers
    ("  - relu\n  - max_pool2d", "  - rellu\n  - max_pool2d", "9:5", ["unknown layer 'rellu'", "did you mean 'relu'?"]),
    ("  - linear: {out_features: 120}", "  - dense: {units: 120}", "17:5", ["layer 'dense'", "did you mean 'linear'?"]),
    ("  - linear: {out_features: 120}", "  - lstm: {units: 120}", "17:5", ["layer 'lstm'", "allowed: abs, add"]),
    ("  - max_pool2d", "  - maxpool", "10:5", ["unknown layer 'maxpool'; did you mean 'max_pool2d'?"]),
    ("  - linear: {out_features: 120}", "  - 120", "17:5", ["must be a layer such as relu", "found 120"]),
    ("  - linear: {out_features: 120}", "  - [relu]", "17:5", ["must be a layer such as relu", "found ['relu']"]),
    ("  - linear: {out_features: 120}", "  - name: fc", "17:5", ["model.fc: must have one layer type", "found none"]),
    ("  - linear: {out_features: 120}", "  - {relu: , linear: }", "17:5", ["one layer type", "found 'relu', 'linear'"]),
    ("padding: 2", "filers: 2", "8:47", ["model.conv2d_1.filers: unknown key 'filers'"]),
    ("padding: 2", "wheels: 2", "8:47", ["model.conv2d_1.wheels: unknown key 'wheels'", "allowed: out_channels,"]),
    ("out_channels: 6", "filters: 6", "8:14", ["unknown key 'filters'; did you mean 'out_channels'?"]),
    ("padding: 2", "init: xavier", "8:53", ["unknown initialiser 'xavier'; did you mean 'glorot'?"]),
    ("padding: 2", "table: lenet-5", "8:54", ["unknown table 'lenet-5'; did you mean 'lenet5'?"]),
    ("padding: 2", "padding: same", "8:56", ["a whole number or a list of two, at least 0; found 'same'"]),
    ("padding: 2", "pading: 2", "8:47", ["unknown key 'pading'; did you mean 'padding'?"]),
    ("kernel_size: 5, padding: 2", "padding: 2", "8:5", ["model.conv2d_1: 'kernel_size' is missing: rows and columns"]),
    ("kernel_size: 5, padding", "kernel_size: 0, padding", "8:44", ["must be at least 1, found 0"]),
    ("kernel_size: 5, padding", "kernel_size: [5, 0], padding", "8:48", ["kernel_size.1: must be at least 1, found 0"]),
    ("kernel_size: 5, padding", "kernel_size: 2.5, padding", "8:44", ["a whole number or a list of two", "found 2.5"]),
    ("out_channels: 6", "out_channels: six", "8:28", ["out_channels: must be a whole number, at least 1; found 'six'"]),
    ("out_channels: 6", "out_channels: 1e1", "8:28", ["found 10.0; did you mean 10?"]),
    ("out_channels: 6", "out_channels: true", "8:28", ["must be a whole number, at least 1; found true"]),
    ("out_channels: 6", "out_channels: ", "8:27", ["must be a whole number, at least 1; found nothing"]),
    ("padding: 2", "pad_value: .nan", "8:58", ["pad_value: must be a number; found nan"]),
    ("padding: 2", "bias: mop", "8:53", ["bias: must be true or false,", "found 'mop'"]),
    ("      out_channels: 16\n", "", "11:5", ["model.c3: 'out_channels' is missing: number of output maps"]),
    ("      kernel_size: 5\n", "    kernel_size: 5\n", "13:5", ["options of conv2d must be indented", "'kernel_size'"]),
    ("    name: c3", "    nmae: c3", "14:5", ["unknown key 'nmae' beside conv2d; did you mean 'name'?"]),
    ("    name: c3", "    name: 3c", "14:11", ["letters, digits and _, not a digit first; found '3c'"]),
    ("    name: c3", "    name: 3", "14:11", ["letters, digits and _, not a digit first; found 3"]),
    ("    name: c3", "    name: input", "14:11", ["'input' is the name of the network's input"]),
    ("    name: c3", "    name: relu_1", "14:11", ["the name 'relu_1' is taken by entry 1"]),
    ("    name: c3", "    name: relu_2", "15:5", ["the name 'relu_2' is taken by entry 3"]),
    # the graph
    ("    name: c3", "    inputs: max_pool2d1", "14:13", ["no layer 'max_pool2d1'; did you mean 'max_pool2d_1'?"]),
    ("    name: c3", "    inputs: [stem]", "14:14", ["there is no layer 'stem'; allowed: input, conv2d_1,"]),
    ("    name: c3", "    inputs: []", "14:13", ["the name of a layer or a list of names, found []"]),
    ("    name: c3", "    inputs: 3", "14:13", ["the name of a layer or a list of names, found 3"]),
    ("    name: c3", "    inputs: [relu_1, input]", "14:13", ["conv2d takes one input", "add or a concat"]),
    ("    name: c3", "    inputs: conv2d_2", "11:5", ["in a circle: conv2d_2 -> conv2d_2"]),
    ("    name: c3", "    inputs: relu_2", "11:5", ["in a circle: conv2d_2 -> relu_2 -> conv2d_2"]),
    ("    name: c3", "    inputs: relu_1", "10:5", ["model.max_pool2d_1: nobody uses its output", "'linear_2'"]),
    ("  - relu\n  - linear", "  - add\n  - linear", "18:5", ["add takes several inputs", "'linear_1' alone"]),
    # shapes
    ("      kernel_size: 5\n", "      kernel_size: 15\n", "11:5", ["model.c3: a kernel of 15 does not fit a map"]),
    ("out_features: 10}", "out_features: 9}", "19:5", ["model.linear_2: the network has 9 outputs"]),
    ("  - linear: {out_features: 10}\n", "", "18:5", ["model.relu_3: the network has 120 outputs"]),
    ("channels: 1}", "channels: 3}\n  normalise: 1", "5:3", ["did you mean 'normalize'?"]),
    # loss, optimizer, schedule
    ("loss: softmax_cross_entropy", "loss: mse", "20:7", ["'mse'; did you mean 'mean_squared_error'?"]),
    ("{sgd: {lr: 0.05, momentum: 0.9, weight_decay: 5e-4}}", "{lr: 0.05}", "21:13", ["below a name, as in optimizer:"]),
    ("lr: 0.05", "lr: '0.05'", "21:23", ["found '0.05'; did you mean 0.05?"]),
    ("lr: 0.05", "lr: '0,05'", "21:23", ["found '0,05'; did you mean 0.05?"]),
    ("lr: 0.05", "lr: [0.05]", "21:23", ["must be a number, at least 0; found [0.05]"]),
    ("momentum: 0.9", "momentum: 1.5", "21:39", ["at least 0 and less than 1, found 1.5"]),
    ("lr: 0.05", "rate: 0.05", "21:19", ["unknown key 'rate'"]),
    ("loss: softmax_cross_entropy", "loss: softmax", "20:7", ["unknown loss", "did you mean 'softmax_cross_entropy'?"]),
    ("loss: softmax_cross_entropy", "loss: ", "20:6", ["loss: must be one of", "found nothing"]),
    ("loss: softmax_cross_entropy", "loss: {softmax_cross_entropy: {eps: 1}}", "20:32", ["'eps'; allowed: label_smo"]),
    ("optimizer: {sgd: {lr: 0.05,", "optimizer: {sdg: {lr: 0.05,", "21:13", ["unknown optimizer 'sdg'; did you mean"]),
    ("lr: 0.05", "lr: fast", "21:23", ["optimizer.sgd.lr: must be a number, at least 0; found 'fast'"]),
    ("lr: 0.05", "lr: -1e-3", "21:23", ["must be at least 0, found -0.001"]),
    ("lr: 0.05", "lr: .inf", "21:23", ["must be a number, at least 0; found inf"]),
    ("lr: 0.05", "learning_rate: 0.05", "21:19", ["unknown key 'learning_rate'; did you mean 'lr'?"]),
    ("momentum: 0.9", "nesterov: true", "21:13", ["optimizer.sgd: nesterov needs momentum greater than 0"]),
    ("{sgd: {lr: 0.05, momentum", "{sgd: , lr: 0.05, x: {momentum", "21:20", ["one key", "found 'sgd', 'lr', 'x'"]),
    ("schedule: {cosine:", "schedule: {cosin:", "22:12", ["unknown schedule 'cosin'; did you mean 'cosine'?"]),
    ("{cosine: {warmup_epochs: 1}}", "step", "22:1", ["schedule: 'step_epochs' is missing"]),
    ("{cosine: {warmup_epochs: 1}}", "[cosine]", "22:11", ["one of constant, cosine, exponential", "['cosine']"]),
    # train
    ("epochs: 12", "epoch: 12", "23:9", ["train.epoch: unknown key 'epoch'; did you mean 'epochs'?"]),
    ("epochs: 12", "epochs: -1", "23:17", ["must be at least 0, found -1"]),
    ("epochs: 12", "epochs: 99999999999999999999", "23:17", ["must be a whole number"]),
    ("epochs: 12", "epochs: twelve", "23:17", ["must be a whole number, at least 0; found 'twelve'"]),
    ("epochs: 12", "epochs: 1_000", "23:17", ["found '1_000'; did you mean 1000?"]),
    ("batch_size: 64", "batchsize: 64", "23:21", ["unknown key 'batchsize'; did you mean 'batch_size'?"]),
    ("batch_size: 64", "batch_size: 0", "23:33", ["train.batch_size: must be at least 1, found 0"]),
    ("save_every: 1 epoch", "save_every: 1", "23:58", ["such as '1 epoch', '500 steps' or '10 minutes'; found 1"]),
    ("save_every: 1 epoch", "save_every: 0 steps", "23:58", ["found '0 steps'"]),
    ("save_every: 1 epoch", "save_every: hourly", "23:58", ["found 'hourly'"]),
    ("epochs: 12", "freeze: [conv]", "23:18", ["train.freeze.0: there is no layer 'conv'; did you mean 'conv2d_1'?"]),
    ("epochs: 12", "freeze: c3", "23:17", ["train.freeze: must be a list of texts; found 'c3'"]),
    ("epochs: 12", "groups: [{match: d*}]", "23:26", ["train.groups.0.match: there is no layer 'd*'"]),
    ("epochs: 12", "groups: [{match: 'x.bias'}]", "23:26", ["there is no layer 'x.bias'"]),
    ("epochs: 12", "groups: [{lr_factor: 2}]", "23:18", ["train.groups.0: 'match' is missing: layers"]),
    ("epochs: 12", "clip: {norm: 0}", "23:22", ["train.clip.norm: must be greater than 0, found 0"]),
    ("epochs: 12", "clip: 1", "23:15", ["train.clip: must be a mapping with the keys value, norm", "found 1"]),
    ("epochs: 12", "accumulate: 0", "23:21", ["train.accumulate: must be at least 1, found 0"]),
    ("epochs: 12", "ema: 1", "23:14", ["train.ema: must be greater than 0 and less than 1, found 1"]),
    ("epochs: 12", "early_stopping: {}", "23:9", ["train.early_stopping: 'patience' is missing"]),
    ("epochs: 12", "early_stopping: {patience: 0}", "23:36", ["patience: must be at least 1, found 0"]),
    ("    name: c3", "    lr_factor: -1", "14:16", ["lr_factor: must be at least 0, found -1"]),
    ("    name: c3", "    frozen: 1", "14:13", ["frozen: must be true or false; found 1"]),
    ("train: {epochs: 12,", "train: [{epochs: 12}]\n#", "23:8", ["train: must be a mapping with the keys epochs,"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "words"), MISTAKES, ids=[f"{m[2]}-{m[1].strip()}" for m in MISTAKES])
def test_a_mistake_is_reported_at_its_place(tmp_path: Path, old: str, new: str, where: str, words: list[str]) -> None:
    assert old in GOOD
    lines = problems(tmp_path, GOOD.replace(old, new, 1))
    (line,) = [line for line in lines if line.startswith(f"net.yaml:{where}: ")]
    assert [word for word in words if word not in line] == []
    assert all("is missing" in other for other in lines if other != line)  # a key that is no other is also missing
    assert line == lines[0] or "did you mean" not in line, "what is misspelt is not missing"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "net.yaml:1:1: 'model' is missing: the list of layers"),
        ("- relu", "net.yaml:1:1: must be a mapping with the keys data, blocks,"),
        ("model:", "net.yaml:1:7: model: must be a list of layers, found nothing"),
        ("model: []", "net.yaml:1:8: model: must be a list of layers, found []"),
        ("model: relu", "net.yaml:1:8: model: must be a list of layers, found 'relu'"),
        ("a: &x [*x]", "net.yaml:1:4: nested deeper than 50 levels"),
        ("model: [" + "relu, " * 10_001 + "]", "net.yaml:1:8: model: must have at most 10,000 layers, found 10,001"),
        ("model: [relu: {s\u202ee: 1}]", "net.yaml:1:16: model.relu_1.'s\\u202ee': unknown key 's\\u202ee'"),
    ],
)  # fmt: skip
def test_configs_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    (line,) = problems(tmp_path, text)
    assert line.startswith(message)


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD
    for old, new in [("epochs: 12", "epochs: x"), ("lr: 0.05", "lr: x"), ("padding: 2", "padding: x"),
                     ("classes: 10", "classes: x"), ("  - relu\n  - linear", "  - rely\n  - linear")]:  # fmt: skip
        text = text.replace(old, new)
    where = [line.split(":")[1] for line in problems(tmp_path, text, "train.seed=x", "train.batch_size=0")]
    assert where == ["5", "8", "18", "21", "23", " train.seed", " train.batch_size"]


def test_problems_of_shape_are_reported_for_every_branch_but_not_for_what_depends_on_it(tmp_path: Path) -> None:
    text = BRANCHED + "data: {image: {size: 8, channels: 1}}\n"
    text = text.replace("kernel_size: 3, padding: 1", "kernel_size: 9").replace("kernel_size: 1}", "kernel_size: 8}")
    lines = problems(tmp_path, text)
    assert [line.split(": ")[:2] for line in lines] == [["net.yaml:5:5", "model.a"], ["net.yaml:8:5", "model.b"]]


def test_trace_later_says_where_in_the_file(tmp_path: Path) -> None:
    run = load(tmp_path, BRANCHED)
    with pytest.raises(SpecError, match=r"net.yaml:14:5: model.linear_1: the network has 2 outputs, .* 3 classes"):
        spec.trace(run, (1, 9, 9), 3)
    with pytest.raises(SpecError, match=r"net.yaml:11:5: model.stem: a kernel of 3 does not fit a map of 2"):
        spec.trace(run, (1, 2, 9), 2)


def test_a_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(MissingError, match=str(path)):
            spec.load(str(path))
