"""What the lecture prints beside its vectors: sizes, counts, window sums, what a layer can learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import build, conv, linear
from rig import KERNELS, put

from cnncli import registry
from cnncli.filtering import KERNELS as FILTERS
from cnncli.filtering import filter2d, gaussian, moving_average
from cnncli.graph import Graph, Summary
from cnncli.layers._copy import Copy
from cnncli.network import Network
from cnncli.optimizers.base import Update
from cnncli.optimizers.sgd import Sgd
from cnncli.spec import INPUT, Node

LOCAL: dict[str, Any] = {"local2d": {"out_channels": 6, "kernel_size": 5}}
EXAMPLE = [
    conv(1, bias="matrix"), "softplus", {"subsample2d": {"skip": 1}},
    conv(1, bias="matrix"), "softplus", {"subsample2d": {"skip": 1}},
    {"linear": {"out_features": 1, "bias": False}}, "softplus",
]  # fmt: skip


def summary(model: list[Any], *in_shape: int) -> list[Summary]:
    channels, rows, columns = in_shape
    return build(model, (channels, rows, columns)).summary()


# --- 1.1, 1.2, 1.5, A15: counts


def test_numbers_of_different_images_have_too_many_digits_for_floats() -> None:
    """Of 32x32 pixels with 2 and 256 values."""
    for values, digits, first in ((2, 309, "179769313486"), (256, 2467, "10907481")):
        images = values**1024
        assert len(str(images)) == digits
        assert str(images).startswith(first)
        with pytest.raises(OverflowError):
            float(images)


@pytest.mark.parametrize(
    ("layer", "parameters", "connections"),
    [
        (linear(6 * 28 * 28), 4_821_600, 4_821_600),
        (LOCAL, 122_304, 122_304),
        (conv(6, 5, bias="matrix"), 4_854, 122_304),
        (conv(6, 5), 156, 122_304),
    ],
)
def test_sharing_weights_saves_parameters(layer: Any, parameters: int, connections: int) -> None:
    (line,) = summary([layer], 1, 32, 32)
    assert (line.parameters, line.connections, np.prod(line.output)) == (parameters, connections, 6 * 28 * 28)


def test_example_network() -> None:
    lines = summary(EXAMPLE, 1, 16, 16)
    assert [line.output[1] for line in lines] == [14, 14, 7, 5, 5, 3, 1, 1]
    assert [line.parameters for line in lines if line.parameters] == [9 + 196, 9 + 25, 9]
    assert sum(line.parameters for line in lines) == 248
    assert lines[-1].receptive_field == (15, 15)


def test_trained_subsampling_has_a_connection_for_each_sample_and_one_for_the_bias() -> None:
    (line,) = summary([{"scaled_avg_pool2d": {"kernel_size": 2}}], 4, 24, 24)
    assert line.connections == 4 * 12 * 12 * (2 * 2 + 1)
    for layer in ({"avg_pool2d": {"kernel_size": 2}}, {"subsample2d": {"skip": 1}}, "softplus", "contrast_norm2d"):
        assert summary([layer], 4, 24, 24)[0].connections == 0


def test_fan_in_counts_what_is_connected_to_a_unit() -> None:
    """Padding included, the bias not: the layers of the zip code network of 1989."""
    padded = {"stride": 2, "padding": 2, "bias": "matrix"}
    graph = build(
        [conv(12, 5, **padded), conv(12, 5, table="lecun1989", **padded), linear(30), linear(10)], (1, 16, 16)
    )
    fans = [np.unique(param.fan_in).tolist() for name, param in graph.params.items() if name.endswith("weight")]
    assert fans == [[25], [200], [192], [30]]


# --- 1.0, 1.10, A10: sizes


@pytest.mark.parametrize(("m", "h", "s", "size"), [(28, 2, 1, 12), (28, 1, 2, 9), (16, 1, 1, 7)])
def test_sizes_after_skipping(m: int, h: int, s: int, size: int) -> None:
    """Whole numbers where (m - 2 h) / (s + 1) is none; a step of s + 1 leaves as many."""
    kernel = 2 * h + 1
    skipped = summary([conv(1, kernel), {"subsample2d": {"skip": s}}], 1, m, m)[-1]
    stepped = summary([conv(1, kernel, stride=s + 1)], 1, m, m)[-1]
    assert skipped.output == stepped.output == (1, size, size)
    assert skipped.receptive_field == stepped.receptive_field


def test_steps_save_work_where_outputs_are_left_out() -> None:
    """9 of the 25 outputs of the example's second stage are kept (E8)."""
    every, kept = (summary([conv(1, stride=stride)], 1, 7, 7)[0].multiply_adds for stride in (1, 2))
    assert (every, kept) == (9 * 25, 9 * 9)


def test_pooling_of_cuda_convnet_halves_sizes() -> None:
    pool = {"max_pool2d": {"kernel_size": 3, "stride": 2, "ceil_mode": True}}
    assert [line.output[1] for line in summary([pool] * 3, 1, 32, 32)] == [16, 8, 4]


@pytest.mark.parametrize("kernel", [1, 2, 4, [3, 6]])
def test_kernels_may_be_even(kernel: Any) -> None:
    rows, columns = kernel if isinstance(kernel, list) else (kernel, kernel)
    assert summary([conv(2, kernel)], 1, 7, 7)[0].output == (2, 8 - rows, 8 - columns)


# --- 1.3, 1.9: filters


def test_moving_average() -> None:
    steps = np.array([[0.0, 0.0, 30.0, 60.0, 0.0, 90.0]])
    np.testing.assert_allclose(filter2d(steps, moving_average(3)), [[10, 30, 30, 50]], rtol=1e-15)
    np.testing.assert_allclose(FILTERS["sharpen"], 2 * np.eye(3)[1][:, None] * np.eye(3)[1] - 1 / 9, rtol=1e-15)


@pytest.mark.parametrize(
    ("size", "sigma", "right", "wrong"),
    [(3, 1.0, "0.7795", "1.95"), (5, 1.0, "0.9818", "2.46"), (9, 2.0, "0.9546", "2.39")],
)
def test_gaussian_windows_need_their_own_sum(size: int, sigma: float, right: str, wrong: str) -> None:
    """What windows with the constant of the whole plane would add up to, and with the one that the deck prints."""
    window = gaussian(size, sigma)
    assert window.sum() == pytest.approx(1, rel=1e-15)
    largest = window[size // 2, size // 2]
    assert f"{1 / (2 * np.pi * sigma**2) / largest:.4f}" == right
    assert f"{1 / (np.sqrt(2 * np.pi) * sigma**2) / largest:.2f}" == wrong


# --- 1.14: losses


@pytest.mark.parametrize(("variant", "dtype"), KERNELS)
def test_cross_entropy_of_ten_equal_scores(variant: str, dtype: str) -> None:
    graph = Graph([Node("copy", Copy(), (INPUT,))], (10, 1, 1), registry.get("losses", "softmax_cross_entropy")())
    network = Network(graph, 3, training=True, input_gradient=True, dtype=dtype, variant=variant)
    put(network.x, np.full((3, 10, 1, 1), 7.0), unused=0.0)
    network.set_targets(np.array([0, 4, 9], np.int32))
    network.forward()
    rtol = 1e-15 if dtype == "float64" else 1e-6
    np.testing.assert_allclose(network.loss.losses[:3], 2.302585092994046, rtol=rtol)
    np.testing.assert_allclose(network.scores(), 0.1, rtol=rtol)


# --- 1.1: what one layer cannot learn


def learn(model: list[Any], seed: int) -> list[int]:
    """How many of the four patterns of exclusive or are right, after each of many steps."""
    network = Network(build(model, (2, 1, 1)), 4, training=True)
    network.initialize(seed)
    put(network.x, np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[:, :, None, None], unused=0.0)
    network.set_targets(np.array([0, 1, 1, 0], np.int32))
    segments = network.segments
    update = Update(
        network.theta, network.grad, {"velocity": np.zeros_like(network.theta)}, segments.ends, segments.rates,
        segments.decays, network.kernels, 1,
    )  # fmt: skip
    right = []
    for step in range(1, 501):
        network.forward(training=True, step=step)
        right.append(network.hits())
        network.backward()
        Sgd(momentum=0.9).step(update, 0.2, step)
    return right


@pytest.mark.parametrize("seed", range(5))
def test_exclusive_or_needs_two_layers(seed: int) -> None:
    assert max(learn([linear(2)], seed)) == 3
    assert learn([linear(4), "tanh", linear(2)], seed)[-1] == 4
