"""Locally connected layer: a convolution in which every place has kernels of its own.

Design
a) Weights are the bulk of the traffic: each pass goes through them once, in the order of memory, for all blocks, and
   fetches those of the next tile while it works on one. At 32 maps of 28x28, 64 images, 3x3, the three passes took a third
   longer without that, and with one block to a tile.
b) Forward and the gradient of the weights are shared out by place. The gradient of the input adds up over places, so
   there every thread takes some of the input maps through all of them.
c) The gradient of the weights of one place is a matrix product over images, its vectors hold outputs (`product_tile`);
   each block's part is made by itself, that of the first where it belongs, and blocks are added by the fixed tree.

Shapes: x [block, channel, row, column, lane] (bordered), w [row, column, channel, kernel row, kernel column, output],
y [block, output, row, column, lane], bias [output, row, column].
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t
from libc.string cimport memcpy, memset

from cnncli._fast._microkernel cimport LANES, lanes_of, part_count, part_start
from cnncli._fast._local cimport VECTOR_BYTES, local_tiles, product_tiles
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef enum:
    TAPS_AT_ONCE = 96            # of the forward pass: their weights and inputs stay in the first-level cache
    GRADIENTS_AT_ONCE = 48       # taps of the weights' gradient


cdef inline int length_of(int item, int lanes) noexcept nogil:
    """Elements of one vector."""
    return VECTOR_BYTES // item if VECTOR_BYTES // item < lanes else lanes


def scratch_size(w_shape, int blocks, int threads):
    """Elements of scratch: for each thread and block the turned gradients of a place, their sums, some gradients."""
    return threads * blocks * (LANES + 1 + GRADIENTS_AT_ONCE) * ((w_shape[5] + 15) // 16 * 16)


def index_size(w_shape):
    """Elements of integer scratch."""
    return 2 * w_shape[2] * w_shape[3] * w_shape[4] + 2 * w_shape[5]


cdef int taps_of(const Py_ssize_t *w, const Py_ssize_t *x_strides, Py_ssize_t item, int lanes, int32_t *off) noexcept:
    """Offsets of an output's inputs from the first of them."""
    cdef int c, p, q, k = 0
    for c in range(w[2]):
        for p in range(w[3]):
            for q in range(w[4]):
                off[k] = <int32_t>(c * (x_strides[1] // item) + p * (x_strides[2] // item) + q * lanes)
                k += 1
    return k


cdef int check(const Py_ssize_t *x, const Py_ssize_t *w, const Py_ssize_t *y, int stride_h, int stride_w,
               int blocks) except -1:
    if (w[0] != y[2] or w[1] != y[3] or w[2] != x[1] or w[5] != y[1] or min(x[0], y[0]) < blocks
            or (w[0] - 1) * stride_h + w[3] > x[2] or (w[1] - 1) * stride_w + w[4] > x[3]):
        raise ValueError("local2d: the shapes of input, weights and output do not belong together")
    return 0


def forward(const real[:, :, :, :, :] x, const real[:, :, :, :, :, ::1] w, const real[:, :, ::1] bias,
            real[:, :, :, :, :] y, int32_t[::1] index, int stride_h, int stride_w, int blocks, int threads):
    """y[o, r, s] = bias[o, r, s] + sum_{c,p,q} w[r, s, c, p, q, o] x[c, r stride + p, s stride + q].

    x (with its border), w, bias (may be None): IN; y: OUT; index: work space of `index_size` elements.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real)), o
    check(x.shape, w.shape, y.shape, stride_h, stride_w, blocks)
    cdef int taps = taps_of(w.shape, x.strides, sizeof(real), lanes, &index[0])
    cdef int outputs = w.shape[5], vectors = lanes // length_of(sizeof(real), lanes), columns = w.shape[1]
    cdef int places = w.shape[0] * w.shape[1], place, k, b, r, s, l
    cdef int32_t *wo = &index[taps]
    cdef int32_t *yo = wo + outputs
    cdef real start
    for o in range(outputs):
        wo[o] = o
        yo[o] = <int32_t>(o * (y.strides[1] // <ptrdiff_t>sizeof(real)))
    for place in prange(places, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * places * lanes * outputs * taps / 8)):
        r = place // columns
        s = place % columns
        for b in range(blocks):
            for o in range(outputs):
                start = bias[o, r, s] if bias is not None else <real>0
                for l in range(lanes):
                    y[b, o, r, s, l] = start
        for l in range(part_count(taps, TAPS_AT_ONCE)):
            k = part_start(taps, TAPS_AT_ONCE, l)
            local_tiles(outputs, vectors, lanes, blocks, &w[r, s, 0, 0, 0, 0] + k * outputs, wo, outputs,
                        &x[0, 0, r * stride_h, s * stride_w, 0], x.strides[0] // <ptrdiff_t>sizeof(real), &index[k],
                        part_start(taps, TAPS_AT_ONCE, l + 1) - k, &y[0, 0, r, s, 0],
                        y.strides[0] // <ptrdiff_t>sizeof(real), yo,
                        &w[r, s, 0, 0, 0, 0] + part_start(taps, TAPS_AT_ONCE, l + 1) * outputs)


def backward_params(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, :, :, :, :, ::1] dw,
                    real[:, :, ::1] dbias, real[::1] scratch, int32_t[::1] index, int stride_h, int stride_w,
                    int blocks, int threads):
    """dw[r, s, c, p, q, o] = sum of dy[o, r, s] x[c, r stride + p, s stride + q] over images, dbias = sum of dy.

    x (with its border), dy: IN; dw, dbias (may be None): OUT; scratch, index: work space.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    check(x.shape, dw.shape, dy.shape, stride_h, stride_w, blocks)
    cdef int taps = taps_of(dw.shape, x.strides, sizeof(real), lanes, &index[0])
    cdef int outputs = dw.shape[5], length = length_of(sizeof(real), lanes), columns = dw.shape[1]
    cdef int padded = part_count(outputs, length) * length, places = dw.shape[0] * dw.shape[1], place
    cdef ptrdiff_t x_block = x.strides[0] // <ptrdiff_t>sizeof(real), y_block = dy.strides[0] // <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t y_channel = dy.strides[1] // <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t size = blocks * (lanes + 1 + GRADIENTS_AT_ONCE) * padded
    for place in prange(places, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * places * lanes * outputs * taps / 8)):
        place_gradient(&x[0, 0, place // columns * stride_h, place % columns * stride_w, 0], x_block, &index[0], taps,
                       &dy[0, 0, place // columns, place % columns, 0], y_block, y_channel, outputs, padded, lanes, blocks,
                       &dw[place // columns, place % columns, 0, 0, 0, 0],
                       &dbias[0, 0, 0] + place if dbias is not None else NULL, places, &scratch[0] + threadid() * size)


cdef void place_gradient(const real *x, ptrdiff_t x_block, const int32_t *off, int taps, const real *dy,
                         ptrdiff_t y_block, ptrdiff_t y_channel, int outputs, int padded, int lanes, int blocks,
                         real *dw, real *dbias, ptrdiff_t bias_step, real *scratch) noexcept nogil:
    """The gradient of one place's weights: dy turned to [lane, output], times x."""
    cdef int b, l, o, k, n, vectors = padded // length_of(sizeof(real), lanes)
    cdef real *out
    cdef ptrdiff_t part = GRADIENTS_AT_ONCE * padded
    cdef real *sums = scratch + blocks * lanes * padded          # dy summed over the lanes of each block
    cdef real *parts = sums + blocks * padded                    # gradients of some weights for each block
    cdef real *deltas
    for b in range(blocks):
        deltas = scratch + b * lanes * padded
        for o in range(outputs):
            for l in range(lanes):
                deltas[l * padded + o] = dy[b * y_block + o * y_channel + l]
        for o in range(outputs, padded):
            for l in range(lanes):
                deltas[l * padded + o] = 0
    k = 0
    while k < taps:
        n = taps - k if taps - k < GRADIENTS_AT_ONCE else GRADIENTS_AT_ONCE
        out = dw + k * outputs if padded == outputs else parts
        for b in range(blocks):
            product_tiles(n, vectors, lanes, x + b * x_block, off + k, scratch + b * lanes * padded, padded,
                          parts + b * part if b > 0 else out)
        add_parts(out, parts, n * padded, part, blocks)
        if padded != outputs:
            for l in range(n):
                memcpy(dw + (k + l) * outputs, parts + l * padded, outputs * sizeof(real))
        k = k + n
    if dbias != NULL:
        for b in range(blocks):
            deltas = scratch + b * lanes * padded
            memset(sums + b * padded, 0, padded * sizeof(real))
            for l in range(lanes):
                for o in range(padded):
                    sums[b * padded + o] += deltas[l * padded + o]
        add_parts(sums, sums, padded, padded, blocks)
        for o in range(outputs):
            dbias[o * bias_step] = sums[o]


cdef void add_parts(real *first, real *parts, ptrdiff_t size, ptrdiff_t step, int blocks) noexcept nogil:
    """first += the other parts, which lie `step` apart, by a binary tree over the blocks (as in `_reduce.pxd`)."""
    cdef int b, reach = 1
    cdef ptrdiff_t j
    cdef real *to
    cdef const real *more
    while reach < blocks:
        b = 0
        while b + reach < blocks:
            to = parts + b * step if b > 0 else first
            more = parts + (b + reach) * step
            for j in range(size):
                to[j] += more[j]
            b = b + 2 * reach
        reach = reach * 2


def backward_input(const real[:, :, :, :, :] dy, const real[:, :, :, :, :, ::1] w, real[:, :, :, :, :] dx,
                   int32_t[::1] index, int stride_h, int stride_w, int padding_h, int padding_w, int blocks,
                   int threads):
    """dx[c, a, b] = sum of w[r, s, c, p, q, o] dy[o, r, s] over all o and r stride + p = a + padding (b likewise).

    dy, w: IN; dx: OUT (without border); index: work space.
    """
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real)), o
    if w.shape[0] != dy.shape[2] or w.shape[1] != dy.shape[3] or w.shape[5] != dy.shape[1] or w.shape[2] != dx.shape[1]:
        raise ValueError("local2d: the shapes of gradients and weights do not belong together")
    cdef int outputs = w.shape[5], channels = w.shape[2], kernel_h = w.shape[3], kernel_w = w.shape[4]
    cdef int vectors = lanes // length_of(sizeof(real), lanes), height = dx.shape[2], width = dx.shape[3]
    cdef int taps = channels * kernel_h * kernel_w
    cdef int32_t *wo = &index[0]
    cdef int32_t *xo = wo + taps
    cdef int32_t *off = xo + taps
    cdef ptrdiff_t item = sizeof(real), x_channel = dx.strides[1] // item, x_row = dx.strides[2] // item
    cdef int team_size = team(threads, <double>blocks * w.shape[0] * w.shape[1] * lanes * outputs * taps / 8)
    cdef int parts = team_size if team_size < channels else channels
    cdef int part, c0, c1, c, p, q, a, e, r, s, b, k, first
    for o in range(outputs):
        off[o] = <int32_t>(o * (dy.strides[1] // item))
    for part in prange(parts, nogil=True, schedule="static", num_threads=team_size):
        c0 = channels * part // parts
        c1 = channels * (part + 1) // parts
        for b in range(blocks):
            for c in range(c0, c1):
                for a in range(height):
                    memset(&dx[b, c, a, 0, 0], 0, width * lanes * sizeof(real))
        first = c0 * kernel_h * kernel_w                         # where the part's lists of weights and samples begin
        for r in range(w.shape[0]):
            for s in range(w.shape[1]):
                k = first
                for c in range(c0, c1):
                    for p in range(kernel_h):
                        a = r * stride_h + p - padding_h
                        for q in range(kernel_w):
                            e = s * stride_w + q - padding_w
                            if 0 <= a < height and 0 <= e < width:
                                wo[k] = ((c * kernel_h + p) * kernel_w + q) * outputs
                                xo[k] = <int32_t>(c * x_channel + a * x_row + e * lanes)
                                k = k + 1
                local_tiles(k - first, vectors, lanes, blocks, &w[r, s, 0, 0, 0, 0], wo + first, 1,
                            &dy[0, 0, r, s, 0], dy.strides[0] // item, off, outputs, &dx[0, 0, 0, 0, 0],
                            dx.strides[0] // item, xo + first, &w[r, s, c0, 0, 0, 0] + taps * outputs)
