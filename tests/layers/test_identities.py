"""What layers have in common: one of them, or a chain, does the same as another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import ROWS, Case
from chains import Tensors, by_network
from lecture_vectors import Array, Step, Vector, one
from rig import KERNELS, Rig, assert_close, gradient, inputs, parameters

from cnncli.filtering import projection

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}  # of a tensor's largest element
Pair = tuple[int, int]
every_kernel = pytest.mark.parametrize(("variant", "dtype"), KERNELS)


def normal(*shape: int, seed: int = 0) -> Array:
    """Numbers that float32 holds."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(float)


def run(x: Array, steps: tuple[Step, ...], variant: str, dtype: str) -> Tensors:
    """Both passes of a chain that ends in a sigmoid, so that no two gradients of the output before it are equal."""
    return by_network(Vector("", x, (*steps, Step("sigmoid")), ()), variant=variant, dtype=dtype)


def plain(x: Array, steps: tuple[Step, ...], variant: str, dtype: str) -> Array:
    """The output of a chain."""
    return by_network(Vector("", x, steps, ()), variant=variant, dtype=dtype)["y"]


def close(found: Any, wanted: Any, dtype: str) -> None:
    largest = np.abs(wanted).max(initial=0.0) or 1.0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE[dtype] * largest)


def conv(weight: Array, bias: Array | None = None, **options: Any) -> tuple[Step, ...]:
    return (Step("conv2d", {"weight": weight} | ({} if bias is None else {"bias": bias}), options),)


# --- convolution


@every_kernel
@pytest.mark.parametrize("case", [case for case in ROWS if case.type == "conv2d"], ids=str)
def test_convolution_is_correlation_with_the_turned_kernel(case: Case, variant: str, dtype: str) -> None:
    """In both passes; the gradient of the kernel is turned too."""
    turned = replace(case, options={**case.options, "flip": not case.options.get("flip", False)})
    xs, params = inputs(case, 33), parameters(case)
    first, second = (Rig(each, 33, dtype=dtype, variant=variant) for each in (case, turned))
    wanted = first.answer(xs, params)
    answer = second.answer(xs, params | {"weight": params["weight"][..., ::-1, ::-1]})
    answer.grads["weight"] = answer.grads["weight"][..., ::-1, ::-1]
    assert_close(answer, wanted, TOLERANCE[dtype])


@every_kernel
@pytest.mark.parametrize("flip", [False, True])
def test_delta_kernel_is_the_identity(flip: bool, variant: str, dtype: str) -> None:
    delta = np.zeros((1, 1, 3, 5))
    delta[0, 0, 1, 2] = 1
    x = normal(3, 1, 6, 7)
    np.testing.assert_array_equal(plain(x, conv(delta, padding=(1, 2), flip=flip), variant, dtype), x)


@every_kernel
def test_full_convolution_commutes_and_associates(variant: str, dtype: str) -> None:
    def full(a: Array, b: Array) -> Array:
        return plain(a, conv(b, padding=(b.shape[2] - 1, b.shape[3] - 1), flip=True), variant, dtype)

    a, b, c = normal(1, 1, 4, 5), normal(1, 1, 2, 3, seed=1), normal(1, 1, 3, 4, seed=2)
    close(full(a, b), full(b, a), dtype)
    close(full(full(a, b), c), full(a, full(b, c)), dtype)


@every_kernel
def test_convolution_is_linear(variant: str, dtype: str) -> None:
    x, z, steps = normal(5, 2, 8, 7), normal(5, 2, 8, 7, seed=1), conv(normal(3, 2, 3, 3, seed=2), padding=(1, 1))
    wanted = 2 * plain(x, steps, variant, dtype) - plain(z, steps, variant, dtype)
    close(plain(2 * x - z, steps, variant, dtype), wanted, dtype)


def small_in_a_wide_frame(moved: Pair) -> Array:
    """Images whose contents lie away from the border, `moved` by some rows and columns."""
    x = np.zeros((2, 3, 20, 22))
    x[:, :, 8 + moved[0] : 12 + moved[0], 8 + moved[1] : 13 + moved[1]] = normal(2, 3, 4, 5)
    return x


@every_kernel
@pytest.mark.parametrize("moved", [(1, 0), (0, -1), (-3, 2), (4, 4)])
def test_convolution_moves_with_its_input(moved: Pair, variant: str, dtype: str) -> None:
    for padding in ((0, 0), (2, 2)):
        steps = conv(normal(4, 3, 5, 5), normal(4, seed=1), padding=padding)
        still, other = (plain(small_in_a_wide_frame(by), steps, variant, dtype) for by in ((0, 0), moved))
        np.testing.assert_array_equal(other, np.roll(still, moved, axis=(2, 3)))


@every_kernel
def test_after_a_stage_of_step_two_only_even_shifts_are_shifts(variant: str, dtype: str) -> None:
    steps = (*conv(normal(4, 3, 3, 3), padding=(1, 1)), *one("relu"), *one("max_pool2d", kernel_size=(2, 2)))
    still, by_one, by_two = (
        plain(small_in_a_wide_frame(moved), steps, variant, dtype) for moved in ((0, 0), (1, 1), (2, -4))
    )
    np.testing.assert_array_equal(by_two, np.roll(still, (1, -2), axis=(2, 3)))
    for shift in np.ndindex(2, 2):
        assert np.abs(by_one - np.roll(still, shift, axis=(2, 3))).max() > 0.1


@every_kernel
def test_linear_is_a_convolution_over_the_whole_map(variant: str, dtype: str) -> None:
    x, weight, bias = normal(33, 3, 4, 6), normal(7, 3, 4, 6, seed=1), normal(7, seed=2)
    dense = run(x, (Step("linear", {"weight": weight.reshape(7, -1), "bias": bias}),), variant, dtype)
    maps = run(x, conv(weight, bias), variant, dtype)
    for name in ("y", "dx"):
        close(dense[name], maps[name], dtype)
    close(dense["linear_1.dweight"], maps["conv2d_1.dweight"].reshape(7, -1), dtype)
    close(dense["linear_1.dbias"], maps["conv2d_1.dbias"], dtype)


@every_kernel
def test_local2d_with_equal_kernels_is_a_convolution(variant: str, dtype: str) -> None:
    x, weight, bias = normal(33, 3, 7, 6), normal(4, 3, 3, 2, seed=1), normal(4, seed=2)
    options: dict[str, Any] = {"stride": (2, 1), "padding": (1, 2), "pad_value": -1.0}
    tied = run(x, conv(weight, bias, **options), variant, dtype)
    rows, columns = tied["y"].shape[2:]
    untied = {
        "weight": np.broadcast_to(np.moveaxis(weight, 0, -1), (rows, columns, 3, 3, 2, 4)),
        "bias": np.broadcast_to(bias[:, None, None], (4, rows, columns)),
    }
    local = run(x, (Step("local2d", untied, options),), variant, dtype)
    for name in ("y", "dx"):
        close(local[name], tied[name], dtype)
    close(np.moveaxis(local["local2d_1.dweight"].sum(axis=(0, 1)), -1, 0), tied["conv2d_1.dweight"], dtype)
    close(local["local2d_1.dbias"].sum(axis=(1, 2)), tied["conv2d_1.dbias"], dtype)


# --- subsampling, pooling, the pyramid

POINTWISE = ["abs", "leaky_relu", "relu", "sigmoid", "softabs", "softplus", "tanh"]


@every_kernel
@pytest.mark.parametrize("skip", [(1, 1), (2, 0)])
@pytest.mark.parametrize("activation", POINTWISE)
def test_skipping_after_an_activation_is_a_strided_convolution(
    activation: str, skip: Pair, variant: str, dtype: str
) -> None:
    """Of a bias for each unit the strided convolution has those of the units that are kept."""
    x, weight, bias = normal(9, 2, 8, 9), normal(4, 2, 3, 3, seed=1), normal(4, 6, 7, seed=2)
    kept = (slice(None), slice(None, None, skip[0] + 1), slice(None, None, skip[1] + 1))
    slow = run(x, (*conv(weight, bias), *one(activation), *one("subsample2d", skip=skip)), variant, dtype)
    stride = (skip[0] + 1, skip[1] + 1)
    fast = run(x, (*conv(weight, bias[kept], stride=stride), *one(activation)), variant, dtype)
    for name in ("y", "dx", "conv2d_1.dweight"):
        close(fast[name], slow[name], dtype)
    close(fast["conv2d_1.dbias"], slow["conv2d_1.dbias"][kept], dtype)
    left_out = slow["conv2d_1.dbias"].copy()
    left_out[kept] = 0
    assert not left_out.any()


@every_kernel
def test_average_pooling_is_the_subsampled_box_filter(variant: str, dtype: str) -> None:
    filters = {
        (3, 3): (*one("fixed_filter2d", kernel="box3", border="valid"), *one("subsample2d", skip=(2, 2))),
        (2, 2): one("blur2d", kernel="box2", stride=(2, 2)),
    }
    x = normal(9, 3, 6, 12)
    for window, steps in filters.items():
        pooled = run(x, one("avg_pool2d", kernel_size=window), variant, dtype)
        filtered = run(x, steps, variant, dtype)
        for name in ("y", "dx"):
            close(filtered[name], pooled[name], dtype)


@every_kernel
@pytest.mark.parametrize("border", ["reflect", "edge", "zero"])
@pytest.mark.parametrize("kernel", ["binomial5", "binomial3", "box2"])
def test_pyramid_is_its_two_matrices(kernel: str, border: Any, variant: str, dtype: str) -> None:
    """y = P x Q^T and so dx = P^T dy Q."""
    for rows, columns in ((7, 10), (1, 4), (2, 3), (16, 9)):
        x = normal(3, 2, rows, columns)
        down, across = (projection(size, kernel, border) for size in (rows, columns))
        found = run(x, one("blur2d", kernel=kernel, border=border, stride=(2, 2)), variant, dtype)
        y = 1 / (1 + np.exp(-(down @ x @ across.T)))
        close(found["y"], y, dtype)
        close(found["dx"], down.T @ (y * (1 - y)) @ across, dtype)


# --- normalisation


@every_kernel
@pytest.mark.parametrize("options", [{}, {"window": 3}, {"same_map": 3}], ids=str)
def test_brightness_normalisation_to_the_power_0_changes_nothing(
    options: dict[str, Any], variant: str, dtype: str
) -> None:
    case = Case("brightness_norm2d", {"lambda": 0.3, "mu": 0, **options}, ((4, 5, 6),))
    (x,) = inputs(case, 33)
    answer = Rig(case, 33, dtype=dtype, variant=variant).answer([x], {})
    np.testing.assert_array_equal(answer.y, x)
    np.testing.assert_array_equal(answer.dxs[0], gradient(x.shape))


@every_kernel
@pytest.mark.parametrize("across", ["all", "none"])
@pytest.mark.parametrize("border", ["corrected", "reflect", "valid"])
def test_contrast_normalisation_ignores_offset_and_scale(border: str, across: str, variant: str, dtype: str) -> None:
    """Where the deviation lies above its floor of 1e-6; not with zeros outside, which are no part of the image."""
    x = np.round(normal(5, 3, 12, 11) * 1024) / 1024  # so that all of the numbers below are exact in single precision
    options: dict[str, Any] = {"kernel_size": 5, "border": border, "across": across}
    case = Case("contrast_norm2d", options, (x.shape[1:],))  # type: ignore[arg-type]
    rig = Rig(case, len(x), dtype=dtype, variant=variant)
    y = rig.forward([x], {})
    assert np.abs(y).max() > 1
    for scale, offset in ((1, 1000), (1, -64), (0.25, 0), (4096, 0), (0.5, 300), (2, -1000)):
        np.testing.assert_allclose(rig.forward([scale * x + offset], {}), y, rtol=0, atol=10 * TOLERANCE[dtype])


@every_kernel
@pytest.mark.parametrize("across", ["all", "none"])
def test_subtractive_normalisation_ignores_an_offset(across: str, variant: str, dtype: str) -> None:
    x = np.round(normal(5, 3, 12, 11) * 1024) / 1024
    for border in ("corrected", "reflect", "valid"):
        options: dict[str, Any] = {"kernel_size": 5, "border": border, "across": across}
        case = Case("subtractive_norm2d", options, (x.shape[1:],))  # type: ignore[arg-type]
        rig = Rig(case, len(x), dtype=dtype, variant=variant)
        np.testing.assert_array_equal(rig.forward([x + 1000], {}), rig.forward([x], {}))


# --- activations


SIZES = [0, 1e-30, 1e-8, 1e-4, 1e-3, 0.01, 0.0887, 0.0888, 1, 88, 89, 710, 1e4, 1e6]


@every_kernel
@pytest.mark.parametrize("k", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize(("smooth", "bent", "most", "place"), [("softplus", "relu", 1, 0), ("softabs", "abs", -2, 1e6)])
def test_smooth_activations_stay_finite_and_near_what_they_smooth(
    smooth: str, bent: str, most: int, place: float, k: float, variant: str, dtype: str
) -> None:
    """At most ln 2 / k above the rectifier, 2 ln 2 / k below the magnitude; that far off at one `place`."""
    x = np.array([SIZES, np.negative(SIZES)])[None, None]
    case = Case(smooth, {"k": k, "trained": True}, ((1, 2, len(SIZES)),))
    y, (dx,), grads = Rig(case, 1, dtype=dtype, variant=variant).answer([x], {"k": np.array([k])}, np.ones(x.shape))
    for array in (y, dx, grads["k"]):
        assert np.isfinite(array).all()
    assert (np.abs(dx) <= 1).all()
    gap = np.sign(most) * (y - plain(x, one(bent), variant, dtype))
    widest, rounding = abs(most) * np.log(2) / k, 2 * np.finfo(dtype).eps * np.abs(x)
    assert (gap >= -rounding).all()
    assert (gap <= widest * (1 + 1e-6) + rounding).all()
    at_place = (0, 0, 0, SIZES.index(place))
    assert gap[at_place] == pytest.approx(widest, rel=1e-6, abs=rounding[at_place])
