"""Which slow, plain function of `reference` says what each layer has to compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import reference

from cnncli import random

Tensors = dict[str, np.ndarray]


class Draw(NamedTuple):
    """The key of a layer's random numbers, and the lanes in which images lie side by side."""

    seed: int
    stream: int
    step: int
    lanes: int


class Answer(NamedTuple):
    """What a layer has to compute: output, gradients of its inputs, gradients of its parameters."""

    y: np.ndarray
    dxs: tuple[np.ndarray, ...]
    grads: Tensors


@dataclass(frozen=True)
class Oracle:
    """``reference.<name>`` and its ``_backward``.

    Attributes
    ----------
    name : str
    params : tuple of str
        The layer's parameters in the order of the function's arguments.
    options : mapping of str to str
        From the function's keywords to the layer's options.
    fixed : mapping of str to str
        From parameters to the options that take their place where there is nothing to train.
    """

    name: str
    params: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        layer: Any,
        xs: list[np.ndarray],
        gradient: Callable[[tuple[int, ...]], np.ndarray],
        params: Tensors,
        draw: Draw,
    ) -> Answer:
        """The answer for inputs (n, channels, height, width); `gradient` gives that of the output from its shape."""
        plan = layer.plan([(x.shape[1], x.shape[2], x.shape[3]) for x in xs])
        stored = {name: getattr(layer, option) for name, option in self.fixed.items()}
        stored |= {name: plan.params[name].dense(array) for name, array in params.items()}
        tensors = [*xs, *self.arguments(xs[0].shape, layer, draw), *(stored.get(name) for name in self.params)]
        keywords = {keyword: getattr(layer, option) for keyword, option in self.options.items()}
        keywords |= self.keywords(layer, xs)
        y = getattr(reference, self.name)(*tensors, **keywords)
        found = getattr(reference, f"{self.name}_backward")(gradient(y.shape), *tensors, **keywords)
        dxs, grads = found[: len(xs)], dict(zip(self.params, found[len(xs) :], strict=True))
        return Answer(y, dxs, {name: param.ragged(grads[name]) for name, param in plan.params.items()})

    def arguments(self, shape: tuple[int, ...], layer: Any, draw: Draw) -> list[np.ndarray]:
        """What the function wants between inputs and parameters."""
        return []

    def keywords(self, layer: Any, xs: list[np.ndarray]) -> dict[str, Any]:
        """Keywords that are not options as they stand."""
        return {}


class ConvolutionOracle(Oracle):
    """Convolution, whose table the function wants as a matrix."""

    def keywords(self, layer: Any, xs: list[np.ndarray]) -> dict[str, Any]:
        return {} if layer.table.name == "full" else {"table": layer.table.matrix(xs[0].shape[1], layer.out_channels)}


class BrightnessOracle(Oracle):
    """Brightness normalisation, whose function has one size for windows of both kinds."""

    def keywords(self, layer: Any, xs: list[np.ndarray]) -> dict[str, Any]:
        same_map = layer.same_map is not None
        return {"window": layer.same_map if same_map else layer.window, "same_map": same_map}


class LocalOracle(Oracle):
    """The locally connected layer, whose function wants the output maps first."""

    def __call__(
        self,
        layer: Any,
        xs: list[np.ndarray],
        gradient: Callable[[tuple[int, ...]], np.ndarray],
        params: Tensors,
        draw: Draw,
    ) -> Answer:
        turned = params | {"weight": np.moveaxis(params["weight"], -1, 0)}
        answer = super().__call__(layer, xs, gradient, turned, draw)
        return answer._replace(grads=answer.grads | {"weight": np.moveaxis(answer.grads["weight"], 0, -1)})


class DropoutOracle(Oracle):
    """Dropout, whose mask is that of `random.bits`: lanes of the two halves of a block share the halves of one draw."""

    def arguments(self, shape: tuple[int, ...], layer: Any, draw: Draw) -> list[np.ndarray]:
        n, *sample = shape
        half = draw.lanes // 2
        image, place = np.arange(n)[:, None], np.arange(np.prod(sample))
        block, lane = image // draw.lanes, image % draw.lanes
        counters = (block * place.size + place) * half + lane % half + (draw.step << 40)
        words = random.bits(draw.seed, draw.stream, counters) >> np.where(lane < half, 0, 32).astype(np.uint64)
        return [((words & np.uint64(2**32 - 1)) >= np.uint64(layer.p * 2**32)).astype(float).reshape(shape)]


_WINDOW = {option: option for option in ("kernel_size", "stride", "padding", "ceil_mode")}
_CONV2D = {option: option for option in ("stride", "padding", "pad_value", "dilation", "groups", "flip")}

_SHARPNESS = {"k": "k"}
_MEAN = {"size": "kernel_size", "sigma": "sigma", "across": "across", "border": "border"}

ORACLES: dict[str, Oracle] = {
    "abs": Oracle("abs"),
    "add": Oracle("add"),
    "avg_pool2d": Oracle("avg_pool2d", options=_WINDOW),
    "batch_norm2d": Oracle("batch_norm2d", ("weight", "bias"), {"eps": "eps"}),
    "blur2d": Oracle("blur2d", options={"kernel": "kernel", "border": "border", "stride": "stride"}),
    "brightness_norm2d": BrightnessOracle(
        "brightness_norm2d", ("kappa", "lambda", "mu"), fixed={"kappa": "kappa", "lambda": "lambda_", "mu": "mu"}
    ),
    "concat": Oracle("concat"),
    "contrast_norm2d": Oracle("contrast_norm2d", options=_MEAN | {"c": "floor"}),
    "conv2d": ConvolutionOracle("conv2d", ("weight", "bias"), _CONV2D),
    "divisive_norm2d": Oracle("divisive_norm2d", options=_MEAN | {"c": "floor"}),
    "dropout": DropoutOracle("dropout", options={"p": "p"}),
    "elu": Oracle("elu", options={"alpha": "alpha"}),
    "fixed_filter2d": Oracle("fixed_filter2d", options={"kernel": "kernel", "border": "border"}),
    "flatten": Oracle("flatten"),
    "gain": Oracle("gain", ("weight",), fixed={"weight": "value"}),
    "gelu": Oracle("gelu", options={"approximate": "approximate"}),
    "global_avg_pool2d": Oracle("global_avg_pool2d"),
    "group_norm": Oracle("group_norm", ("weight", "bias"), {"groups": "groups", "eps": "eps"}),
    "hard_swish": Oracle("hard_swish"),
    "layer_norm": Oracle("layer_norm", ("weight", "bias"), {"eps": "eps"}),
    "leaky_relu": Oracle("leaky_relu", options={"negative_slope": "slope"}),
    "linear": Oracle("linear", ("weight", "bias")),
    "local2d": LocalOracle(
        "local2d", ("weight", "bias"), {"stride": "stride", "padding": "padding", "pad_value": "pad_value"}
    ),
    "max_pool2d": Oracle("max_pool2d", options=_WINDOW),
    "multiply": Oracle("multiply"),
    "prelu": Oracle("prelu", ("weight",)),
    "relu": Oracle("relu"),
    "scaled_avg_pool2d": Oracle("trainable_subsample2d", ("weight", "bias"), _WINDOW),
    "sigmoid": Oracle("sigmoid"),
    "silu": Oracle("silu"),
    "softabs": Oracle("softabs", ("k",), fixed=_SHARPNESS),
    "softplus": Oracle("softplus", ("k",), fixed=_SHARPNESS),
    "subsample2d": Oracle("subsample2d", options={"skip": "skip"}),
    "subtractive_norm2d": Oracle("subtractive_norm2d", options=_MEAN),
    "tanh": Oracle("tanh", options={"amplitude": "A", "slope": "S"}),
}
