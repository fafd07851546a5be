"""Fully connected layer.

Design
a) Forward and the gradient of the input use each weight where it lies, once for the images of all blocks: packing would
   cost more than it saves. Outputs are shared between threads; taps go by chunks that stay in the first-level cache.
b) The gradient of the weights is the tile of convolution, with images as taps: both operands are turned once, blocks
   merge by the fixed tree while their sums are in the cache.

Shapes: x [block, channel, row, column, lane] stands for features in C order, w [out, features], y [block, out, 1, 1, lane].
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t

from cnncli._fast._local cimport local_tiles
from cnncli._fast._microkernel cimport (
    LANES, START_ZERO, TILE, all_lanes, lanes_of, part_count, part_start, tile_run, vector_length,
)
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._transpose cimport transpose
from cnncli._fast._types cimport real

cdef enum:
    OUTPUTS_AT_ONCE = 24     # of one piece of work: four tiles
    TAPS_AT_ONCE = 96        # whose weights and inputs stay in the first-level cache

cdef int FEATURES_AT_ONCE = 64


cdef inline long padded(long features) noexcept nogil:
    return (features + FEATURES_AT_ONCE - 1) // FEATURES_AT_ONCE * FEATURES_AT_ONCE


cdef inline int tree_depth(int blocks) noexcept nogil:
    cdef int depth = 1
    while (1 << (depth - 1)) <= blocks:
        depth = depth + 1
    return depth


def scratch_size(w_shape, int blocks, int lanes, int threads):
    """Elements of scratch: both operands of the weights' gradient turned, and a stack of partial tiles per thread."""
    cdef long outputs = w_shape[0], features = w_shape[1]
    return (blocks * lanes * (padded(features) + padded(outputs)) + blocks * outputs
            + threads * tree_depth(blocks) * TILE * FEATURES_AT_ONCE + LANES)


def index_size(w_shape):
    """Elements of integer scratch."""
    return max(w_shape[0], w_shape[1]) + w_shape[0] + w_shape[1] + LANES + TILE


cdef void feature_offsets(const Py_ssize_t *shape, const Py_ssize_t *strides, Py_ssize_t item, int32_t *off) noexcept:
    cdef Py_ssize_t c, i, j
    cdef int k = 0
    for c in range(shape[1]):
        for i in range(shape[2]):
            for j in range(shape[3]):
                off[k] = <int32_t>((c * strides[1] + i * strides[2] + j * strides[3]) // item)
                k += 1


cdef int check(const Py_ssize_t *x, const Py_ssize_t *y, Py_ssize_t outputs, Py_ssize_t features, int blocks) except -1:
    if x[1] * x[2] * x[3] != features or y[1] * y[2] * y[3] != outputs or min(x[0], y[0]) < blocks:
        raise ValueError("linear: the shapes of input, weights and output do not belong together")
    return 0


def forward(const real[:, :, :, :, :] x, const real[:, ::1] w, const real[::1] bias, real[:, :, :, :, :] y,
            int32_t[::1] index, bint rectified, int blocks, int threads):
    """y[o] = bias[o] + sum_k w[o, k] x[k], cut at 0 if `rectified`; `bias` may be None. x, w, bias: IN; y: OUT."""
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int outputs = w.shape[0], features = w.shape[1], o
    check(x.shape, y.shape, outputs, features, blocks)
    cdef int32_t *off = &index[0]
    cdef int32_t *yo = off + features
    cdef int32_t *wo = yo + outputs
    feature_offsets(x.shape, x.strides, sizeof(real), off)
    feature_offsets(y.shape, y.strides, sizeof(real), yo)
    for o in range(outputs):
        wo[o] = o * features
    multiply(&x[0, 0, 0, 0, 0], x.strides[0] // <ptrdiff_t>sizeof(real), off, features, &w[0, 0], wo, 1,
             &bias[0] if bias is not None else NULL, &y[0, 0, 0, 0, 0], y.strides[0] // <ptrdiff_t>sizeof(real), yo, outputs,
             rectified, lanes, blocks, threads)


def backward_input(const real[:, :, :, :, :] dy, const real[:, ::1] w, real[:, :, :, :, :] dx, int32_t[::1] index,
                   int blocks, int threads):
    """dx[k] = sum_o w[o, k] dy[o]. dy, w: IN; dx: OUT."""
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int outputs = w.shape[0], features = w.shape[1], k
    check(dx.shape, dy.shape, outputs, features, blocks)
    cdef int32_t *off = &index[0]
    cdef int32_t *xo = off + outputs
    cdef int32_t *wo = xo + features
    feature_offsets(dy.shape, dy.strides, sizeof(real), off)
    feature_offsets(dx.shape, dx.strides, sizeof(real), xo)
    for k in range(features):
        wo[k] = k
    multiply(&dy[0, 0, 0, 0, 0], dy.strides[0] // <ptrdiff_t>sizeof(real), off, outputs, &w[0, 0], wo, features,
             <const real *>NULL, &dx[0, 0, 0, 0, 0], dx.strides[0] // <ptrdiff_t>sizeof(real), xo, features, False, lanes,
             blocks, threads)


cdef void multiply(const real *x, ptrdiff_t x_block, const int32_t *off, int taps, const real *w, const int32_t *wo,
                   ptrdiff_t wk, const real *bias, real *y, ptrdiff_t y_block, const int32_t *yo, int outputs,
                   bint rectified, int lanes, int blocks, int threads) noexcept:
    """y[yo[o]] = bias[o] + sum_k w[wo[o] + k wk] x[off[k]], for all images."""
    cdef int vectors = lanes // vector_length(x, lanes)
    cdef int team_size = team(threads, <double>blocks * lanes * outputs * taps / 8)
    cdef int piece, b, o, o0, o1, k0, k1, c, l
    cdef real first
    for piece in prange(part_count(outputs, OUTPUTS_AT_ONCE), nogil=True, num_threads=team_size, schedule="static"):
        o0 = part_start(outputs, OUTPUTS_AT_ONCE, piece)
        o1 = part_start(outputs, OUTPUTS_AT_ONCE, piece + 1)
        for o in range(o0, o1):
            first = bias[o] if bias != NULL else <real>0
            for b in range(blocks):
                for l in range(lanes):
                    y[b * y_block + yo[o] + l] = first
        for c in range(part_count(taps, TAPS_AT_ONCE)):
            k0 = part_start(taps, TAPS_AT_ONCE, c)
            k1 = part_start(taps, TAPS_AT_ONCE, c + 1)
            local_tiles(o1 - o0, vectors, lanes, blocks, w + k0 * wk, wo + o0, wk, x, x_block, off + k0, k1 - k0, y, y_block,
                        yo + o0, w + k0 * wk)
        if rectified:
            for o in range(o0, o1):
                for b in range(blocks):
                    for l in range(lanes):
                        if y[b * y_block + yo[o] + l] < 0:
                            y[b * y_block + yo[o] + l] = 0


cdef void turn(const real *x, ptrdiff_t x_block, const int32_t *off, int features, int lanes, int blocks,
                    real *out, ptrdiff_t row, int threads) noexcept nogil:
    """out[block, lane, feature] = x[block, feature, lane]; rows of `row` elements, zeros beyond the features."""
    cdef int length = vector_length(x, lanes), parts = <int>(row // length), piece, b, k, l, count
    for piece in prange(blocks * parts, num_threads=threads, schedule="static"):
        b = piece // parts
        k = piece % parts * length
        count = min(length, max(features - k, 0))
        for l in range(lanes // length):
            transpose(lanes, x + b * x_block + l * length, off + min(k, features - 1), count,
                      out + (b * lanes + l * length) * row + k, row)


cdef void merge(real *stack, int size, int b, int blocks) noexcept nogil:
    """Add finished pairs on a stack of partial sums, the newest being that of block `b`: the tree of `_reduce.pxd`."""
    cdef int top = 0, i, n = b, last
    while n > 0:
        top = top + (n & 1)
        n = n >> 1
    last = b + 1 == blocks
    n = b
    while top > 0 and (last or n & 1):
        for i in range(size):
            stack[(top - 1) * size + i] += stack[top * size + i]
        top = top - 1
        n = n >> 1


cdef inline int height(int b) noexcept nogil:
    """Partial sums that lie on the stack before block `b`: the ones of its binary number."""
    cdef int ones = 0
    while b > 0:
        ones = ones + (b & 1)
        b = b >> 1
    return ones


def backward_params(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, ::1] dw, real[::1] dbias,
                    real[::1] scratch, int32_t[::1] index, int blocks, int threads):
    """dw[o, k] = sum over images of dy[o] x[k], dbias[o] = sum of dy[o]; `dbias` may be None. x, dy: IN; dw, dbias: OUT."""
    cdef int lanes = lanes_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef int outputs = dw.shape[0], features = dw.shape[1]
    check(x.shape, dy.shape, outputs, features, blocks)
    cdef Py_ssize_t item = sizeof(real)
    cdef int32_t *off = &index[0]
    cdef int32_t *yo = off + features
    cdef int32_t *image = yo + outputs
    cdef int32_t *row_of = image + LANES
    cdef ptrdiff_t x_block = x.strides[0] // item, y_block = dy.strides[0] // item
    cdef ptrdiff_t row = padded(features)
    cdef real *xt = &scratch[0]
    cdef real *dyt = xt + blocks * lanes * row
    cdef ptrdiff_t dy_row = padded(outputs)
    cdef real *partial_bias = dyt + blocks * lanes * dy_row
    cdef real *stacks = partial_bias + (blocks * outputs + LANES - 1) // LANES * LANES
    cdef int tile_size = TILE * FEATURES_AT_ONCE
    cdef ptrdiff_t per_thread = tree_depth(blocks) * tile_size
    cdef int team_size = team(threads, <double>blocks * lanes * outputs * features / 8)
    cdef int o_parts = part_count(outputs, TILE), k_parts = <int>(row // FEATURES_AT_ONCE)
    cdef int piece, b, o, o1, k, i, l, width, full = vector_length(xt, LANES)
    cdef const real *x0 = &x[0, 0, 0, 0, 0]
    cdef const real *y0 = &dy[0, 0, 0, 0, 0]
    cdef real *stack
    cdef bint with_bias = dbias is not None
    feature_offsets(x.shape, x.strides, item, off)
    feature_offsets(dy.shape, dy.strides, item, yo)
    for l in range(lanes):
        image[l] = <int32_t>(l * row)
    for i in range(TILE):
        row_of[i] = i * FEATURES_AT_ONCE
    with nogil:
        turn(x0, x_block, off, features, lanes, blocks, xt, row, team_size)
        turn(y0, y_block, yo, outputs, lanes, blocks, dyt, dy_row, team_size)
        for piece in prange(o_parts * k_parts, num_threads=team_size, schedule="static"):
            o = part_start(outputs, TILE, piece // k_parts)
            o1 = part_start(outputs, TILE, piece // k_parts + 1)
            k = piece % k_parts * FEATURES_AT_ONCE
            stack = stacks + threadid() * per_thread
            for b in range(blocks):
                tile_run(o1 - o, FEATURES_AT_ONCE // full, LANES, dyt + b * lanes * dy_row + o, dy_row,
                         image, lanes, xt + b * lanes * row + k, full, stack + height(b) * tile_size, row_of, full,
                         <const real *>NULL, START_ZERO)
                merge(stack, tile_size, b, blocks)
            width = FEATURES_AT_ONCE if k + FEATURES_AT_ONCE <= features else features - k
            for i in range(o1 - o):
                for l in range(width):
                    dw[o + i, k + l] = stack[i * FEATURES_AT_ONCE + l]
        if with_bias:
            for b in range(blocks):
                for o in range(outputs):
                    partial_bias[b * outputs + o] = all_lanes(y0 + b * y_block + yo[o], lanes)
            add_blocks(partial_bias, outputs, blocks, 1)
            for o in range(outputs):
                dbias[o] = partial_bias[o]
