"""Blocks of layers: what they are written out to, and what is said about mistakes in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from specs import load, problems

from cnncli import spec, yamlio
from cnncli.errors import SpecError
from cnncli.spec import from_resolved, resolved

RESIDUAL = """\
data: {image: {size: [8, 8], channels: 3}, classes: 3}
blocks:
  norm:
    layers: [batch_norm2d]
  residual:
    arguments: {channels: required, stride: 1, activation: relu}
    layers:
      - conv2d: {out_channels: $channels, kernel_size: 3, stride: $stride, padding: 1}
      - norm:
        name: main
      - conv2d: {out_channels: $channels, kernel_size: 1, stride: $stride}
        name: shortcut
        inputs: input
        when: $stride > 1
      - add:
        inputs: [main, shortcut]
      - $activation
model:
  - relu
  - residual: {channels: 3}
    repeat: 2
  - residual: {channels: 5, stride: 2, activation: {leaky_relu: {slope: 0.1}}}
    name: half
  - linear: {out_features: 3}
"""


def _wired(tmp_path: Path, text: str, *overrides: str) -> dict[str, list[str]]:
    return {node.name: list(node.inputs) for node in load(tmp_path, text, *overrides).model}


def test_a_model_written_out(tmp_path: Path) -> None:
    assert _wired(tmp_path, RESIDUAL) == {
        "relu_1": ["input"],
        "residual_1.conv2d_1": ["relu_1"],
        "residual_1.main.batch_norm2d_1": ["residual_1.conv2d_1"],
        "residual_1.add_1": ["residual_1.main.batch_norm2d_1", "relu_1"],
        "residual_1.relu_1": ["residual_1.add_1"],
        "residual_2.conv2d_1": ["residual_1.relu_1"],
        "residual_2.main.batch_norm2d_1": ["residual_2.conv2d_1"],
        "residual_2.add_1": ["residual_2.main.batch_norm2d_1", "residual_1.relu_1"],
        "residual_2.relu_1": ["residual_2.add_1"],
        "half.conv2d_1": ["residual_2.relu_1"],
        "half.main.batch_norm2d_1": ["half.conv2d_1"],
        "half.shortcut": ["residual_2.relu_1"],
        "half.add_1": ["half.main.batch_norm2d_1", "half.shortcut"],
        "half.leaky_relu_1": ["half.add_1"],
        "linear_1": ["half.leaky_relu_1"],
    }


def test_resolved_it_is_a_plain_list_that_reads_the_same(tmp_path: Path) -> None:
    run = load(tmp_path, RESIDUAL)
    plain = resolved(run)
    assert "blocks" not in plain
    assert from_resolved(plain) == run
    again = load(tmp_path, yamlio.dump(plain), "model.half.leaky_relu_1.slope=0.5", "model.half.shortcut.bias=none")
    slopes = [getattr(node.layer, "slope", None) for node in again.model if node.name == "half.leaky_relu_1"]
    assert slopes == [0.5]


@pytest.mark.parametrize(
    ("model", "wired"),
    [
        ("[{relu: , repeat: 3}, abs]", "relu_1:input relu_2:relu_1 relu_3:relu_2 abs_1:relu_3"),
        ("[{relu: , repeat: 2}, relu]", "relu_1:input relu_2:relu_1 relu_3:relu_2"),
        ("[{relu: , name: r, repeat: 2}, abs, {add: , inputs: [r, abs_1]}]",
         "r_1:input r_2:r_1 abs_1:r_2 add_1:r_2+abs_1"),
        ("[{relu: , repeat: 1, name: r}]", "r_1:input"),
        ("[relu, {abs: , repeat: 0}, sigmoid]", "relu_1:input sigmoid_1:relu_1"),
        ("[relu, {abs: , when: false, name: a}, {add: , inputs: [a, input]}]", "relu_1:input add_1:relu_1+input"),
        ("[relu, {abs: , when: false}, abs]", "relu_1:input abs_2:relu_1"),
        ("[relu, {abs: , when: false}]", "relu_1:input"),
        ("[{two: , inputs: input}, two]", "two_1.relu_1:input two_1.abs_1:two_1.relu_1 two_2.relu_1:two_1.abs_1 "
         "two_2.abs_1:two_2.relu_1"),
        ("[relu, abs, {join: , inputs: [relu_1, abs_1]}]", "relu_1:input abs_1:relu_1 join_1.add_1:relu_1+abs_1"),
        ("[{two: , name: b}, {add: , inputs: [b.relu_1, b]}]",
         "b.relu_1:input b.abs_1:b.relu_1 add_1:b.relu_1+b.abs_1"),
        ("[nothing, relu]", "relu_1:input"),
        ("[{add: , inputs: [late, input]}, {two: , name: late, inputs: input}, {add: , inputs: [add_1, late]}]",
         "late.relu_1:input late.abs_1:late.relu_1 add_1:late.abs_1+input add_2:add_1+late.abs_1"),
    ],
)  # fmt: skip
def test_names_and_inputs(tmp_path: Path, model: str, wired: str) -> None:
    blocks = """\
blocks:
  two: {layers: [relu, abs]}
  join: {layers: [{add: , inputs: input}]}
  nothing: {layers: [{relu: , when: false}]}
"""
    found = _wired(tmp_path, f"{blocks}model: {model}")
    assert " ".join(f"{name}:{'+'.join(inputs)}" for name, inputs in found.items()) == wired


def test_a_use_hands_frozen_on(tmp_path: Path) -> None:
    run = load(tmp_path, RESIDUAL.replace("    name: half", "    frozen: true\n    name: half"))
    assert {node.name.partition(".")[0] for node in run.model if node.frozen} == {"half"}


def test_overrides_reach_arguments_and_layers_of_blocks(tmp_path: Path) -> None:
    run = load(
        tmp_path, RESIDUAL, "model.half.channels=7", "blocks.residual.layers.shortcut.bias=none", "model.relu_1=abs"
    )
    layers = {node.name: node.layer for node in run.model}
    assert getattr(layers["half.conv2d_1"], "out_channels", 0) == 7
    assert getattr(layers["half.shortcut"], "bias", "") == "none"
    assert "abs_1" in layers


USED = "(used at net.yaml:20:5 and 2 more)"
TWICE = "(used at net.yaml:20:5 and 1 more)"
MISTAKES = [
    ("kernel_size: 3", "kernal_size: 3", "8:43", ["unknown key 'kernal_size'", USED]),
    ("kernel_size: 3", "kernel_size: 0", "8:56", ["model.residual_1.conv2d_1.kernel_size: must be at least 1", USED]),
    ("when: $stride > 1", "when: $strid > 1", "14:15", ["there is no argument '$strid'; did you mean 'stride'?", USED]),
    ("when: $stride > 1", "when: 2", "14:15", ["must be true or false, found 2", USED]),
    ("inputs: [main,", "inputs: [mane,", "16:18", ["no layer 'mane' in residual; did you mean 'main'?", USED]),
    ("[main, shortcut]", "7", "16:17", ["must be the name of a layer or a list of names, found 7", USED]),
    ("name: shortcut", "name: conv2d_1", "12:15", ["the name 'conv2d_1' is taken by entry 0 of the list", USED]),
    ("name: shortcut", "name: a.b", "12:15", ["must be letters, digits and _", "found 'a.b'", USED]),
    ("      - $activation", "      - 12", "17:9", ["must be a layer such as relu", "found 12", USED]),
    ("      - $activation", "      - residual", "17:9", ["in a circle", "residual -> residual", USED]),
    ("      - $activation", "      - norm: {a: 1}", "17:16", ["unknown argument 'a' of norm; allowed: none", USED]),
    ("activation: relu}", "activation: rellu}", "17:9", ["unknown layer 'rellu'", TWICE]),
    ("{channels: 3}\n", "{channels: -4}\n", "8:32", ["must be at least 1, found -4", TWICE]),
    ("{channels: 3}\n", "{channels: 6}\n", "15:9", ["must have one shape, found (6, 8, 8) and (3, 8, 8)"]),
    ("{channels: 3}\n", "{chanels: 4}\n", "20:16", ["argument 'chanels' of residual; did you mean 'channels'?"]),
    ("{channels: 3}\n", "\n", "20:5", ["'channels' is missing: an argument of residual"]),
    ("{channels: 3}\n", "4\n", "20:15", ["mapping with the arguments of residual (channels, stride, activation)"]),
    ("- residual: {channels: 3}", "- residul: {channels: 4}", "20:5", ["'residul'; did you mean 'residual'?"]),
    ("repeat: 2", "repeat: two", "21:13", ["must be a whole number from 0 to 10,000, found 'two'"]),
    ("repeat: 2", "channels: 2", "21:5", ["arguments of residual must be indented below it"]),
    ("repeat: 2", "repaet: 2", "21:5", ["unknown key 'repaet' beside residual; did you mean 'repeat'?"]),
    ("repeat: 2", "repeat: 4000", "19:3", ["must have at most 10,000 layers, those of its blocks counted"]),
    ("arguments: {channels: required,", "arguments: [a] #", "6:16", ["from names to defaults"]),
    ("arguments: {channels: required,", "arguments: {2d: 1, channels: required,", "6:21", ["not a digit first"]),
    ("arguments: {", "argumants: {", "6:5", ["unknown key 'argumants'; did you mean 'arguments'?"]),
    ("layers: [batch_norm2d]", "layers: []", "4:13", ["must be a list of layers, found []"]),
    ("layers: [batch_norm2d]", "layer: [batch_norm2d]", "4:5", ["did you mean 'layers'?"]),
    ("  norm:\n", "  relu:\n", "3:3", ["'relu' is the name of a layer or of a key"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "where", "words"), MISTAKES, ids=[f"{m[2]}-{m[1].strip()}" for m in MISTAKES])
def test_a_mistake_is_reported_once_with_both_places(
    tmp_path: Path, old: str, new: str, where: str, words: list[str]
) -> None:
    assert old in RESIDUAL
    lines = problems(tmp_path, RESIDUAL.replace(old, new, 1))
    (line,) = [line for line in lines if line.startswith(f"net.yaml:{where}: ")]
    assert [word for word in words if word not in line] == []
    assert line.endswith(words[-1]) or "used at" not in words[-1]


def test_blocks_that_are_none(tmp_path: Path) -> None:
    assert problems(tmp_path, "blocks: [1]\nmodel: [relu]") == [
        "net.yaml:1:9: blocks: must be a mapping from names to blocks, found [1]"
    ]
    (line,) = problems(tmp_path, "blocks: {a: relu}\nmodel: [a, a]")
    assert line == "net.yaml:1:13: blocks.a: must be a mapping with the keys arguments, layers; found 'relu'"


def test_blocks_in_blocks_stay_within_limits(tmp_path: Path) -> None:
    chain = "".join(f"  b{i}: {{layers: [b{i + 1}, b{i + 1}]}}\n" for i in range(15))
    text = f"blocks:\n{chain}  b15: {{layers: [{{relu: , when: false}}]}}\nmodel: [b0, relu]\n"
    assert "must have at most 10,000 layers" in problems(tmp_path, text)[0]
    chain = "".join(f"  b{i}: {{layers: [b{i + 1}]}}\n" for i in range(25))
    text = f"blocks:\n{chain}  b25: {{layers: [relu]}}\nmodel: [b0]\n"
    (line,) = problems(tmp_path, text)
    assert "deeper than 20 levels" in line


def test_an_argument_from_the_command_line_is_named(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, RESIDUAL, "model.half.activation=rellu")
    assert line.startswith("net.yaml:17:9: model.half.rellu_1: unknown layer")
    assert line.endswith("(used at net.yaml:22:5, changed on the command line)")


def test_shapes_that_only_the_data_tell(tmp_path: Path) -> None:
    run = load(tmp_path, RESIDUAL.replace("image: {size: [8, 8], channels: 3}, ", ""))
    with pytest.raises(SpecError, match=r"net.yaml:15:9: model.residual_1.add_1: .*used at .*net.yaml:20:5"):
        spec.trace(run, (4, 8, 8), 3)
