"""The JSON Schema of configs agrees with the program: what one takes or refuses, the other does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from layers.test_declarations import CLASSES, INVALID, _valid
from specs import GOOD
from test_spec import MISTAKES

from cnncli import registry, yamlio
from cnncli.fields import Problem, from_mapping, options
from cnncli.schema import config_schema, of_class
from cnncli.sections import DataSpec, Image, Normalize, TrainSpec
from cnncli.wiring import ENTRY_KEYS, ENTRY_SCHEMA, Training

ROOT = Path(__file__).parents[1]
WHOLE = config_schema()
CHECK = jsonschema.Draft7Validator(WHOLE)
SECTIONS: dict[str, Any] = {"data": DataSpec, "image": Image, "normalize": Normalize, "train": TrainSpec}
NEEDED = {"image": {"size": 28, "channels": 1}, "normalize": {"mean": 0.5, "std": 0.2}}
VALUES: list[Any] = [
    None, True, False, -1, 0, 1, 2, 3, 10**6, -0.5, 0.25, 0.5, 1.5, 2e8 + 0.5, "", "x", "auto", "none", "he",
    "normal: 0.1", "uniform: x", "full", "lenet5", "1 epoch", "5 minutes", "0 steps", [], [1], [0, 0], [3, 2],
    [1, 2, 3], [0.5, 0.9], [2, 1], ["a", "a"], ["a", "b"], [[1, 0], [0, 1]], [[2]], {}, {"a": 1}, {"normal": 0.1},
    {"normal": -1}, {"random": {"fan_in": 2}}, {"random": {"fan_in": 0}}, ["flip"], ["rotate"], [{"shift": 2}],
    [{"shift": -1}], [{"shift": {"pixels": [1, 2]}}], [{"shfit": 2}], {"size": 3, "channels": 2},
    {"size": [3, 4], "channels": 3},
]  # fmt: skip

ORDER = "must be increasing"  # cannot be said in JSON Schema


def valid(config: Any) -> bool:
    return bool(CHECK.is_valid(config))


def test_it_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(WHOLE)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_it_takes_every_config(path: Path) -> None:
    CHECK.validate(yamlio.load(str(path))[0])


def agrees(cls: Any, needed: dict[str, Any], option: str, value: Any) -> None:
    """Whether a class and its schema say the same of one option's value; relations between options aside."""
    problems: list[Problem] = []
    mapping = needed | {option: value}
    from_mapping(cls, mapping, (), problems)
    refused = any(problem.path and ORDER not in problem.message for problem in problems)
    schema = of_class(cls) | {"definitions": WHOLE["definitions"]}
    assert jsonschema.Draft7Validator(schema).is_valid(mapping) == (not refused), f"{mapping}: {problems}"


@pytest.mark.parametrize("name", CLASSES)
def test_options_of_all_classes(name: str) -> None:
    for option in options(CLASSES[name]):
        for value in VALUES:
            agrees(CLASSES[name], _valid(name), option.name, value)


@pytest.mark.parametrize("name", SECTIONS)
def test_sections(name: str) -> None:
    for option in options(SECTIONS[name]):
        for value in VALUES:
            agrees(SECTIONS[name], NEEDED.get(name, {}), option.name, value)


@pytest.mark.parametrize(("name", "option", "value"), INVALID)
def test_it_refuses_what_the_declarations_exclude(name: str, option: str, value: Any) -> None:
    agrees(CLASSES[name], _valid(name), option, value)


@pytest.mark.parametrize("name", CLASSES)
def test_unknown_and_missing_options(name: str) -> None:
    check = jsonschema.Draft7Validator(of_class(CLASSES[name]) | {"definitions": WHOLE["definitions"]})
    assert check.is_valid(_valid(name))
    assert not check.is_valid(_valid(name) | {"no_such_option": 1})
    for option in options(CLASSES[name]):
        if option.required:
            assert not check.is_valid({key: value for key, value in _valid(name).items() if key != option.name})


@pytest.mark.parametrize(
    ("change", "right"),
    [
        ({}, True),
        ({"modell": []}, False),
        ({"model": []}, False),
        ({"model": "relu"}, False),
        ({"model": ["relu", {"linear": {"out_features": 2}}]}, True),
        ({"model": ["relo"]}, False),
        ({"model": ["conv2d"]}, False),  # it has options that are required
        ({"model": [{"relu": None, "name": "r", "inputs": ["input"], "frozen": True}]}, True),
        ({"model": [{"relu": None, "tanh": None}]}, False),
        ({"model": [{"name": "r"}]}, False),
        ({"model": [{"relu": None, "nmae": "r"}]}, False),
        ({"model": [{"relu": None, "name": "1r"}]}, False),
        ({"model": [{"relu": None, "name": "input"}]}, False),
        ({"model": [{"relu": None, "inputs": []}]}, False),
        ({"model": [{"relu": None, "frozen": "no"}]}, False),
        ({"model": [{"relu": None, "repeat": 2, "when": True}]}, True),
        ({"model": [{"relu": None, "repeat": 1.5}]}, False),
        ({"model": ["twice", {"twice": {"n": 3}, "repeat": 2}], "blocks": {"twice": {"layers": ["relu", "$n"]}}}, True),
        ({"model": ["twice", {"relu": {"n": 3}}], "blocks": {"twice": {"layers": ["relu"]}}}, False),
        ({"model": ["twice"], "blocks": {"twice": {"layers": []}}}, False),
        ({"model": ["twice"], "blocks": {"twice": ["relu"]}}, False),
        ({"model": ["twice"], "blocks": {"twice": {"layers": ["relu"], "args": {}}}}, False),
        ({"loss": "softmax_crossentropy"}, False),
        ({"loss": {"softmax_cross_entropy": {}}}, True),
        ({"optimizer": {"sgd": {"lr": 0.1}, "adam": {}}}, False),
        ({"optimizer": {}}, False),
        ({"schedule": "cosine"}, True),
        ({"schedule": "step"}, False),
        ({"train": {"epochs": -1}}, False),
        ({"train": {"save_every": "10 minutes"}}, True),
        ({"data": {"augment": [{"shift": 2}, "flip", {"rotate": {"degrees": 5}}]}}, True),
        ({"data": {"augment": ["rotate"]}}, False),
        ({"data": {"augment": [{"shift": 2, "rotate": 3}]}}, False),
    ],
)
def test_the_whole(change: dict[str, Any], right: bool) -> None:
    assert valid(yamlio.parse(GOOD, "good")[0] | change) == right


def test_keys_beside_a_layer() -> None:
    assert {*ENTRY_SCHEMA, *of_class(Training)["properties"]} == set(ENTRY_KEYS)


def test_every_option_says_what_it_is() -> None:
    for package in ("layers", "optimizers", "schedules", "augmentations"):
        for name in registry.names(package):
            schema = of_class(registry.get(package, name))
            assert schema["description"]
            assert all("default" in value or key in schema["required"] for key, value in schema["properties"].items())


def test_the_published_schema_is_up_to_date() -> None:
    published = json.loads((ROOT / "docs" / "config.schema.json").read_text(encoding="utf-8"))
    assert published == WHOLE, "run python docs/make_config_reference.py"


# what no schema can say: how entries depend on each other, that 10.0 is no whole number, that there is no NaN
BEYOND = re.compile(
    "found 10.0|found nan|in a circle|no layer|nobody uses|is taken by|takes one input|takes several|does not fit a map"
    "|the network has|nesterov needs|one for each of"
)


@pytest.mark.parametrize(("old", "new", "where", "words"), MISTAKES, ids=[f"{m[2]}-{m[1].strip()}" for m in MISTAKES])
def test_it_refuses_every_mistake_of_key_type_or_range(old: str, new: str, where: str, words: list[str]) -> None:
    try:
        config, _ = yamlio.parse(GOOD.replace(old, new, 1), "bad")
    except yamlio.YamlError:
        return
    assert valid(config) == bool(BEYOND.search(" ".join(words)))
