"""Options of layers, losses, optimizers, augmentations and schedules: to YAML and back, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from cases import CASES, Case

from cnncli import registry, yamlio
from cnncli.describe import describe, invalid_examples
from cnncli.fields import Problem, from_mapping, options, to_mapping

EXAMPLES = {case.type: dict(case.options) for case in reversed(CASES)}
CLASSES: dict[str, Any] = {
    f"{package}.{name}": registry.get(package, name)
    for package in ("layers", "losses", "optimizers", "schedules", "augmentations")
    for name in registry.names(package)
}
INVALID = [(name, option, value) for name, cls in CLASSES.items() for option, value in invalid_examples(cls)]


def _valid(name: str) -> dict[str, Any]:
    """Options with which a class can be built."""
    required: dict[str, dict[str, Any]] = {
        "schedules.step": {"step_epochs": 3}, "schedules.multistep": {"milestones": [3, 5]},
        "schedules.exponential": {"gamma": 0.9}, "schedules.inverse": {"gamma": 0.1},
    }  # fmt: skip
    if name.startswith("augmentations."):
        return {option.name: 1 if option.name != "amount" else 0.5 for option in options(CLASSES[name])}
    return EXAMPLES.get(name.partition(".")[2], required.get(name, {}))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_yaml_round_trip(case: Case) -> None:
    layer = case.layer()
    text = yamlio.dump(to_mapping(layer))
    problems: list[Problem] = []
    again = from_mapping(type(layer), yamlio.parse(text, "test")[0], (), problems)
    assert problems == []
    assert again == layer
    assert yamlio.dump(to_mapping(again)) == text


@pytest.mark.parametrize("name", CLASSES)
def test_round_trip_of_all_classes(name: str) -> None:
    problems: list[Problem] = []
    instance = from_mapping(CLASSES[name], _valid(name), (), problems)
    assert problems == []
    again = from_mapping(CLASSES[name], yamlio.parse(yamlio.dump(to_mapping(instance)), "test")[0], (), problems)
    assert again == instance


@pytest.mark.parametrize(("name", "option", "value"), INVALID, ids=lambda value: str(value))
def test_invalid_values_are_named(name: str, option: str, value: Any) -> None:
    problems: list[Problem] = []
    assert from_mapping(CLASSES[name], _valid(name) | {option: value}, ("here",), problems) is None
    assert problems
    assert {problem.path[:2] for problem in problems} == {("here", option)}


@pytest.mark.parametrize("name", CLASSES)
def test_unknown_and_missing_options_are_named(name: str) -> None:
    cls, problems = CLASSES[name], list[Problem]()
    required = [option.name for option in options(cls) if option.required]
    assert from_mapping(cls, {"no_such_option": 1}, (), problems) is None
    assert problems[0].path == ("no_such_option",)
    assert len(problems) == 1 + len(required)
    assert all(any(option in problem.message for problem in problems) for option in required)


@pytest.mark.parametrize("name", CLASSES)
def test_every_option_is_documented(name: str) -> None:
    for row in describe(CLASSES[name]):
        assert row.doc, f"{name}.{row.name} has no doc"
        assert row.type
    assert CLASSES[name].__doc__
