"""The gradient check: it passes what is right, and names what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import NETWORKS, named

from cnncli import gradcheck, registry
from cnncli.cli import run
from cnncli.gradcheck import check_everything, check_graph, check_layer, check_loss
from cnncli.layers.base import Buffers
from cnncli.losses.base import LossBuffers

RESNET = str(Path(__file__).parents[1] / "configs" / "resnet20.yaml")


def test_everything_is_right_and_nothing_is_left_out() -> None:
    reports = list(check_everything())
    assert [f"{r.layer}.{r.tensor}: {r.error}" for r in reports if not r.ok] == []
    checked = {report.layer for report in reports}
    assert checked == {*registry.names("layers"), *registry.names("losses")}
    for report in reports:
        assert report.checked + report.kinks == min(report.elements, gradcheck.SAMPLES)
        assert report.kinks <= report.elements // 4
    tensors = {(report.layer, report.tensor) for report in reports}
    assert {("conv2d", "weight"), ("conv2d", "bias"), ("conv2d", "input"), ("relu", "input")} <= tensors


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("seed", [0, 1])
def test_networks(name: str, seed: int) -> None:
    reports = list(check_graph(named(name), seed, samples=10))
    assert [r for r in reports if not r.ok] == []
    assert len(reports) == 1 + len(named(name).params)


def _broken_input(original: Callable[..., None]) -> Callable[..., None]:
    def backward(self: Any, b: Buffers) -> None:
        original(self, b)
        if b.dx is not None:
            b.dx[...] *= 1.001

    return backward


def _broken_grad(tensor: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def breaking(original: Callable[..., None]) -> Callable[..., None]:
        def backward(self: Any, b: Buffers) -> None:
            original(self, b)
            b.grad[tensor] *= 1.001

        return backward

    return breaking


def _forgotten(original: Callable[..., None]) -> Callable[..., None]:
    def backward(self: Any, b: Buffers) -> None:
        if b.dx is not None:
            original(self, b)
            b.grad["bias"][...] = np.nan  # as it was found

    return backward


BROKEN: list[tuple[str, str, Callable[[Callable[..., None]], Callable[..., None]]]] = [
    ("conv2d", "input", _broken_input),
    ("relu", "input", _broken_input),
    ("max_pool2d", "input", _broken_input),
    ("conv2d", "weight", _broken_grad("weight")),
    ("linear", "bias", _broken_grad("bias")),
    ("batch_norm2d", "weight", _broken_grad("weight")),
    ("linear", "bias", _forgotten),
]


@pytest.mark.parametrize(("name", "tensor", "breaking"), BROKEN)
def test_a_wrong_layer_is_named(name: str, tensor: str, breaking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cls: Any = registry.get("layers", name)
    layer = gradcheck.build(name, cls.examples[0])
    assert all(report.ok for report in check_layer(name, layer, cls.examples[0].in_shapes))
    monkeypatch.setattr(cls, "backward", breaking(cls.backward))
    wrong = [report for report in check_layer(name, layer, cls.examples[0].in_shapes) if not report.ok]
    assert [(report.layer, report.tensor) for report in wrong] == [(name, tensor)]
    assert not wrong[0].error < 1e-4


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_wrong_loss_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cls: Any = registry.get("losses", name)
    original = cls.backward

    def backward(self: Any, b: LossBuffers) -> None:
        original(self, b)
        b.dx *= 2

    monkeypatch.setattr(cls, "backward", backward)
    wrong = [report for report in check_loss(name, cls()) if not report.ok]
    assert {report.layer for report in wrong} == {name}
    assert {report.tensor for report in wrong} == {"linear.weight", "linear.bias", "input.input"}
    assert all(0.4 < report.error < 0.6 for report in wrong)


def test_kinks_are_counted_and_do_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """With huge steps many differences straddle a kink; without looking out for it the check would fail."""
    monkeypatch.setattr(gradcheck, "STEP", 0.05)
    relu: Any = registry.get("layers", "relu")
    (report,) = check_layer("relu", relu(), [(3, 5, 6)])
    assert report.kinks > 0
    assert report.ok
    monkeypatch.setattr(relu, "choices", lambda self, b: None)
    (report,) = check_layer("relu", relu(), [(3, 5, 6)])
    assert report.kinks == 0
    assert not report.ok


def test_seeds_give_other_points() -> None:
    errors = [[r.error for r in check_graph(named("plain"), seed)] for seed in (0, 0, 1)]
    assert errors[0] == errors[1] != errors[2]


def test_command_on_a_config(capsys: pytest.CaptureFixture[str]) -> None:
    """ResNet-20 as it is, on small images."""
    assert run(["gradcheck", RESNET, "data.image.size=[8,8]", "--samples", "4"]) == 0
    out = capsys.readouterr().out
    assert "residual_1.conv_1.conv2d_1" in out
    assert " 0 wrong" in out
    assert "WRONG" not in out


def test_command_exits_with_1_and_names_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cls: Any = registry.get("layers", "leaky_relu")
    monkeypatch.setattr(cls, "backward", _broken_input(cls.backward))
    assert run(["gradcheck"]) == 1
    out, err = capsys.readouterr()
    assert err == "error: wrong gradients: leaky_relu input\n"
    assert [line.split()[:2] for line in out.splitlines() if line.endswith("WRONG")] == [["leaky_relu", "input"]]
    assert run(["gradcheck", "--json"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["layer"] for row in rows[:-1] if not row["ok"]] == ["leaky_relu"]
    assert rows[-1] == {"checked": len(rows) - 1, "failed": 1}
