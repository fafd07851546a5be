"""Identities that the oracles must satisfy, each tying one to another or to its definition written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference as ref
from numpy.testing import assert_allclose, assert_array_equal
from reference import Array

BORDERS = ("corrected", "zero", "reflect", "valid")


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


# --- convolution and its relatives


@pytest.mark.parametrize("flip", [False, True])
def test_conv2d_is_the_definition(flip: bool) -> None:
    x, weight, pad_value = normal(2, 3, 6, 7), normal(4, 3, 3, 2, seed=1), -1.0
    stride, padding, dilation = (2, 1), (1, 2), (1, 2)
    y = ref.conv2d(x, weight, stride=stride, padding=padding, pad_value=pad_value, dilation=dilation, flip=flip)
    assert y.shape == (2, 4, 3, 9)
    for n, o, r, s in np.ndindex(y.shape):
        total: Any = 0.0
        for c, k, t in np.ndindex(3, 3, 2):
            row = stride[0] * r + dilation[0] * (2 - k if flip else k) - padding[0]
            column = stride[1] * s + dilation[1] * (1 - t if flip else t) - padding[1]
            inside = 0 <= row < 6 and 0 <= column < 7
            total += weight[o, c, k, t] * (x[n, c, row, column] if inside else pad_value)
        assert y[n, o, r, s] == pytest.approx(total, rel=1e-12)


def test_true_convolution_is_correlation_with_the_turned_kernel() -> None:
    x, weight = normal(2, 3, 8, 8), normal(4, 3, 5, 3, seed=1)
    assert_allclose(ref.conv2d(x, weight, flip=True), ref.conv2d(x, weight[:, :, ::-1, ::-1]), rtol=1e-12)


@pytest.mark.parametrize("flip", [False, True])
def test_delta_kernel_is_the_identity(flip: bool) -> None:
    delta = np.zeros((1, 1, 3, 3))
    delta[0, 0, 1, 1] = 1
    x = normal(1, 1, 5, 6)
    assert_array_equal(ref.conv2d(x, delta, padding=(1, 1), flip=flip), x)


def test_full_convolution_commutes_and_associates() -> None:
    def full(a: Array, b: Array) -> Array:
        return ref.conv2d(a, b, padding=(b.shape[2] - 1, b.shape[3] - 1), flip=True)

    a, b, c = normal(1, 1, 4, 5), normal(1, 1, 2, 3, seed=1), normal(1, 1, 3, 3, seed=2)
    assert_allclose(full(a, b), full(b, a), rtol=1e-11)
    assert_allclose(full(full(a, b), c), full(a, full(b, c)), rtol=1e-11)


def test_convolution_is_linear_and_moves_with_its_input() -> None:
    x, z, weight = normal(1, 2, 8, 8), normal(1, 2, 8, 8, seed=1), normal(3, 2, 3, 3, seed=2)
    y = ref.conv2d(x, weight)
    assert_allclose(ref.conv2d(2 * x - z, weight), 2 * y - ref.conv2d(z, weight), atol=1e-12)
    moved = np.roll(x, (1, 2), axis=(2, 3))
    assert_array_equal(ref.conv2d(moved, weight)[:, :, 1:, 2:], y[:, :, :-1, :-2])


def test_same_padding_of_an_even_kernel_is_one_longer_behind() -> None:
    x, weight = normal(1, 1, 5, 5), normal(1, 1, 4, 2, seed=1)
    same = ref.conv2d(x, weight, padding=((1, 2), (0, 1)))
    assert_array_equal(same, ref.conv2d(np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 1))), weight))
    assert same.shape == x.shape


def test_groups_are_separate_convolutions_side_by_side() -> None:
    x, weight = normal(2, 4, 5, 5), normal(6, 2, 3, 3, seed=1)
    halves = [ref.conv2d(x[:, :2], weight[:3]), ref.conv2d(x[:, 2:], weight[3:])]
    assert_allclose(ref.conv2d(x, weight, groups=2), np.concatenate(halves, axis=1), rtol=1e-12)


def test_table_masks_weights_and_their_gradients() -> None:
    x, weight, table = normal(1, 2, 5, 5), normal(3, 2, 3, 3, seed=1), np.array([[1, 0, 1], [0, 1, 1]])
    connected = table.T[:, :, None, None]
    assert_allclose(ref.conv2d(x, weight, table=table), ref.conv2d(x, weight * connected))
    _, dweight, _ = ref.conv2d_backward(np.ones((1, 3, 3, 3)), x, weight, table=table)
    assert_array_equal(dweight != 0, np.broadcast_to(connected == 1, weight.shape))


def test_linear_is_a_convolution_over_the_whole_map() -> None:
    x, weight, bias = normal(2, 3, 4, 5), normal(6, 3, 4, 5, seed=1), normal(6, seed=2)
    assert_allclose(ref.linear(x, weight.reshape(6, -1), bias), ref.conv2d(x, weight, bias), rtol=1e-11)


def test_local2d_with_equal_kernels_is_a_convolution() -> None:
    x, weight = normal(2, 3, 7, 7), normal(4, 3, 3, 3, seed=1)
    options: dict[str, Any] = {"stride": (2, 2), "padding": (1, 1), "pad_value": -1.0}
    untied = np.broadcast_to(weight[:, None, None], (4, 4, 4, 3, 3, 3))
    dy = normal(2, 4, 4, 4, seed=2)
    assert_allclose(ref.local2d(x, untied, **options), ref.conv2d(x, weight, **options), rtol=1e-11)
    dx, dweight, _ = ref.local2d_backward(dy, x, untied, **options)
    tied_dx, tied_dweight, _ = ref.conv2d_backward(dy, x, weight, **options)
    assert_allclose(dx, tied_dx, atol=1e-12)
    assert_allclose(dweight.sum(axis=(1, 2)), tied_dweight, atol=1e-12)


# --- pooling, subsampling, blurring


def test_average_pooling_is_the_subsampled_box_filter() -> None:
    x, box = normal(2, 1, 6, 9), np.full((1, 1, 2, 3), 1 / 6)
    boxed = ref.conv2d(x, box)
    assert_allclose(ref.avg_pool2d(x, kernel_size=(2, 3)), ref.subsample2d(boxed, skip=(1, 2)), rtol=1e-12)


def test_ceil_mode_sizes_of_the_cuda_convnet_nets() -> None:
    x = normal(1, 1, 32, 32)
    for size in (16, 8, 4):
        x = ref.max_pool2d(x, kernel_size=(3, 3), stride=(2, 2), ceil_mode=True)
        assert x.shape[2:] == (size, size)


def test_ceil_mode_drops_windows_that_would_start_outside() -> None:
    x = np.arange(5.0).reshape(1, 1, 5, 1)
    pooled = ref.max_pool2d(x, kernel_size=(1, 1), stride=(3, 1), ceil_mode=True)
    assert_array_equal(pooled[0, 0, :, 0], [0, 3])


def test_padding_is_neither_averaged_nor_a_maximum() -> None:
    x = np.full((1, 1, 3, 3), -2.0)
    options: dict[str, Any] = {"kernel_size": (2, 2), "padding": (1, 1)}
    assert_array_equal(ref.max_pool2d(x, **options), np.full((1, 1, 2, 2), -2.0))
    assert_array_equal(ref.avg_pool2d(x, **options), np.full((1, 1, 2, 2), -2.0))


def test_gradient_of_a_tie_goes_to_the_first_maximum_even_at_minus_infinity() -> None:
    for value in (1.0, -np.inf):
        x = np.full((1, 1, 2, 2), value)
        (dx,) = ref.max_pool2d_backward(np.ones((1, 1, 1, 1)), x, kernel_size=(2, 2))
        assert_array_equal(dx[0, 0], [[1, 0], [0, 0]])


def test_nan_in_a_window_gives_nan() -> None:
    x = normal(1, 1, 4, 4)
    x[0, 0, 1, 0] = np.nan
    for pool in (ref.max_pool2d, ref.avg_pool2d):
        assert_array_equal(np.isnan(pool(x, kernel_size=(2, 2)))[0, 0], [[True, False], [False, False]])


def test_trainable_subsampling_scales_the_mean() -> None:
    y = ref.trainable_subsample2d(np.ones((1, 2, 4, 4)), np.array([2.0, 3.0]), np.array([0.5, 0.0]), kernel_size=(2, 2))
    assert_array_equal(y[0, :, 0, 0], [2.5, 3.0])


@pytest.mark.parametrize(("size", "half_width", "skip", "expected"), [(28, 2, 1, 12), (28, 1, 2, 9), (16, 1, 1, 7)])
def test_sizes_after_convolution_and_skipping(size: int, half_width: int, skip: int, expected: int) -> None:
    width = 2 * half_width + 1
    y = ref.conv2d(np.zeros((1, 1, size, size)), np.zeros((1, 1, width, width)))
    assert ref.subsample2d(y, skip=(skip, skip)).shape == (1, 1, expected, expected)


@pytest.mark.parametrize("skip", [(1, 1), (2, 0)])
def test_skipping_after_an_activation_is_a_strided_convolution(skip: tuple[int, int]) -> None:
    x, weight, bias = normal(2, 3, 8, 9), normal(4, 3, 3, 3, seed=1), normal(4, 6, 7, seed=2)
    slow = ref.subsample2d(ref.softplus(ref.conv2d(x, weight, bias)), skip=skip)
    kept = ref.subsample2d(bias[None], skip=skip)[0]
    fast = ref.softplus(ref.conv2d(x, weight, kept, stride=(skip[0] + 1, skip[1] + 1)))
    assert_allclose(fast, slow, rtol=1e-12)


def test_box2_pyramid_is_average_pooling() -> None:
    x = normal(1, 2, 6, 8)
    assert_allclose(ref.blur2d(x, kernel="box2", stride=(2, 2)), ref.avg_pool2d(x, kernel_size=(2, 2)), rtol=1e-12)


@pytest.mark.parametrize("border", ["reflect", "edge"])
@pytest.mark.parametrize("kernel", ["binomial5", "binomial3", "box2", "none"])
def test_blur_keeps_constants_and_pyramid_step_has_full_rank(kernel: str, border: str) -> None:
    for size in (1, 2, 3, 10):
        step = ref.filter_matrix(size, ref.BLUR_KERNELS[kernel], border)[::2]
        assert_allclose(step.sum(axis=1), 1, rtol=1e-14)
        assert np.linalg.matrix_rank(step) == (size + 1) // 2


def test_blur_is_numpy_padding_and_a_convolution() -> None:
    x, taps = normal(1, 1, 6, 7), np.array(ref.BLUR_KERNELS["binomial5"])
    for border, mode in (("reflect", "reflect"), ("edge", "edge"), ("zero", "constant")):
        padded: Array = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode=mode)  # type: ignore[call-overload]
        assert_allclose(ref.blur2d(x, border=border), ref.conv2d(padded, np.outer(taps, taps)[None, None]), rtol=1e-11)


# --- activations


def test_soft_activations_stay_finite_and_reach_their_limits() -> None:
    x = np.array([-1e300, -1e4, -1.0, 0.0, 1.0, 1e4, 1e300]).reshape(1, 1, 1, -1)
    for k in (1e-3, 1.0, 1e4):
        for f in (ref.softplus, ref.softabs):
            for values in (f(x, k), *getattr(ref, f"{f.__name__}_backward")(np.ones_like(x), x, k)):
                assert np.isfinite(values).all()
    assert_allclose(ref.softplus(x, 1e4), ref.relu(x), atol=1.001 * np.log(2) / 1e4)
    assert_allclose(ref.softabs(x, 1e4), ref.abs(x), rtol=1e-12, atol=2.001 * np.log(2) / 1e4)


def test_softabs_keeps_relative_accuracy_near_zero_and_across_its_seam() -> None:
    x = np.array([1e-12, 1e-8, 1e-4, 1e-3]).reshape(1, 1, 1, -1)
    for k in (1.0, 10.0):
        series = k * x**2 / 4 - k**3 * x**4 / 96 + k**5 * x**6 / 1440
        assert_allclose(ref.softabs(x, k), series, rtol=1e-13)
    seam = np.linspace(0.9, 1.1, 9).reshape(1, 1, 1, -1)
    assert_allclose(ref.softabs(seam), 2 * np.log(np.cosh(seam / 2)), rtol=1e-14)


def test_tanh_is_odd_and_does_not_vanish_early() -> None:
    x = np.array(20.0).reshape(1, 1, 1, 1)
    assert ref.tanh(-x) == -ref.tanh(x)
    assert ref.tanh_backward(np.ones_like(x), x)[0].item() == pytest.approx(4 * np.exp(-40.0), rel=1e-14)


# --- normalisation


def test_batch_norm2d_normalises_and_keeps_running_statistics() -> None:
    x, ones, zeros = 5 + 3 * normal(4, 3, 5, 5), np.ones(3), np.zeros(3)
    y = ref.batch_norm2d(x, ones, zeros, eps=0.0)
    assert_allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-14)
    assert_allclose(y.var(axis=(0, 2, 3)), 1, rtol=1e-13)
    mean, var = ref.batch_norm2d_running(x, zeros, ones, momentum=1.0)
    evaluated = ref.batch_norm2d(x, ones, zeros, running_mean=mean, running_var=var, training=False, eps=0.0)
    assert_allclose(evaluated, y * np.sqrt(99 / 100), rtol=1e-12)  # the running variance is unbiased


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("across", ["all", "none"])
def test_subtractive_norm_is_the_definition(across: str, border: str) -> None:
    x, taps = normal(2, 3, 7, 8), ref.gaussian_taps(5, 1.5)
    gauss = np.outer(taps, taps)[None, None]
    pad = {"reflect": "reflect", "valid": None}.get(border, "constant")
    framed: Array = x if pad is None else np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode=pad)  # type: ignore[call-overload]
    mean = np.concatenate([ref.conv2d(framed[:, c : c + 1], gauss) for c in range(3)], axis=1)
    if border == "corrected":
        mean /= ref.conv2d(np.ones((1, 1, 7, 8)), gauss, padding=(2, 2))
    if across == "all":
        mean = mean.mean(axis=1, keepdims=True)
    centre = x[:, :, 2:-2, 2:-2] if border == "valid" else x
    y = ref.subtractive_norm2d(x, size=5, sigma=1.5, across=across, border=border)
    assert_allclose(y, centre - mean, atol=1e-13)


@pytest.mark.parametrize("border", ["corrected", "reflect", "valid"])
@pytest.mark.parametrize("across", ["all", "none"])
def test_contrast_norm_ignores_offset_and_scale(across: str, border: str) -> None:
    x = normal(2, 3, 9, 9)
    options: dict[str, Any] = {"size": 5, "across": across, "border": border}
    y = ref.contrast_norm2d(x, **options)
    assert_allclose(ref.contrast_norm2d(3 * x + 100, **options), y, atol=1e-12)
    assert_array_equal(ref.contrast_norm2d(np.full((1, 3, 9, 9), 0.1), **options), np.zeros_like(y[:1]))


def test_divisor_is_floored() -> None:
    x = np.full((1, 1, 5, 5), 1e-9)
    assert_allclose(ref.divisive_norm2d(x, size=3), x / 1e-6, rtol=1e-12)
    (dx,) = ref.divisive_norm2d_backward(np.ones_like(x), x, size=3)
    assert_allclose(dx, 1e6, rtol=1e-12)


def test_brightness_windows() -> None:
    x = normal(2, 4, 5, 5)
    assert_array_equal(ref.brightness_norm2d(x, mu=0.0), x)
    assert_allclose(ref.brightness_norm2d(x, lambda_=0.3, window=8), ref.brightness_norm2d(x, lambda_=0.3), rtol=1e-14)
    neighbours = (x[:, 0] ** 2 + x[:, 1] ** 2 + x[:, 2] ** 2, x[:, 0] ** 2 + x[:, 1] ** 2)
    for window, squares in zip((3, 2), neighbours, strict=True):  # an even window reaches further back
        y = ref.brightness_norm2d(x, 1.0, 1.0, 0.5, window=window)
        assert_allclose(y[:, 1], x[:, 1] / np.sqrt(1 + squares), rtol=1e-13)
    corner = ref.brightness_norm2d(x, 1.0, 1.0, 0.5, window=3, same_map=True)[..., 0, 0]
    assert_allclose(corner, x[..., 0, 0] / np.sqrt(1 + (x[..., :2, :2] ** 2).sum(axis=(2, 3))), rtol=1e-13)
