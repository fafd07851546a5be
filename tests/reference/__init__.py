"""Slow, plain oracles of everything that the package computes; they share no code with it.

Arrays are float64 (callers convert) and (n, channels, height, width). A layer is
``name(x, *parameters, **hyperparameters) -> y`` with
``name_backward(dy, x, *parameters, **hyperparameters) -> (dx, *gradients of the parameters)``, always a tuple.
Hyperparameters have PyTorch's names, sizes are pairs (rows, columns).
"""

# ruff: noqa: F401

from .contrast import (
    contrast_norm2d,
    contrast_norm2d_backward,
    divisive_norm2d,
    divisive_norm2d_backward,
    gaussian_taps,
    inside_weight,
    local_deviation,
    subtractive_norm2d,
    subtractive_norm2d_backward,
)
from .convolution import conv2d, conv2d_backward, linear, linear_backward, local2d, local2d_backward
from .filtering import (
    BLUR_KERNELS,
    FIXED_KERNELS,
    blur2d,
    blur2d_backward,
    filter_matrix,
    fixed_filter2d,
    fixed_filter2d_backward,
    subsample2d,
    subsample2d_backward,
)
from .group_norm import (
    group_norm,
    group_norm_backward,
    layer_norm,
    layer_norm_backward,
    multiply,
    multiply_backward,
)
from .losses import (
    code_targets,
    cross_entropy,
    cross_entropy_backward,
    mean_squared_error,
    mean_squared_error_backward,
    softmax,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
    sum_squared_error,
    sum_squared_error_backward,
)
from .normalization import (
    batch_norm2d,
    batch_norm2d_backward,
    batch_norm2d_running,
    brightness_norm2d,
    brightness_norm2d_backward,
)
from .numeric import Array, numeric_gradient
from .optimizers import adagrad, adam, adamw, rmsprop, sgd
from .pointwise import (
    abs,
    abs_backward,
    add,
    add_backward,
    concat,
    concat_backward,
    dropout,
    dropout_backward,
    flatten,
    flatten_backward,
    gain,
    gain_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softabs,
    softabs_backward,
    softplus,
    softplus_backward,
    tanh,
    tanh_backward,
)
from .pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
    trainable_subsample2d,
    trainable_subsample2d_backward,
)
from .rectifiers import (
    elu,
    elu_backward,
    gelu,
    gelu_backward,
    hard_swish,
    hard_swish_backward,
    prelu,
    prelu_backward,
    silu,
    silu_backward,
)
