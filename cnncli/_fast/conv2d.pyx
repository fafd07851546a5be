"""Two-dimensional convolution (cross-correlation) on images-innermost arrays.

Design
a) The caller hands over bordered views, so no kernel knows of padding: every read lies inside its view.
b) Forward and the gradient of the input are one `correlate` with other tap lists and weights; a stride becomes one
   list for each phase of the input's rows and columns.
c) Threads share out the groups where there are enough of them, else the work of each.
d) The gradient of the weights keeps one vector per weight while it walks over rows, for a chunk of outputs and taps
   that stays in the cache; lanes are added at the end of a block, blocks by the fixed tree of `_reduce.pxd`.

Shapes: x [block, channel, row, column, lane] (bordered), w [out, in / groups, kernel row, kernel column],
y [block, out, row, column, lane].
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t

from cnncli._fast._gradient cimport OUTPUTS_AT_ONCE, PER_THREAD, TAPS_AT_ONCE, weight_gradient
from cnncli._fast._microkernel cimport (
    START_BIAS, START_Y, START_ZERO, Grid, correlate, lanes_of, pack_weights, part_count, part_start,
)
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._types cimport real

cdef int ROWS_AT_ONCE = 2


def scratch_size(w_shape, int blocks, int threads):
    """Elements of scratch that any of the three passes needs: packed weights, or partial gradients and vector sums."""
    cdef long weights = w_shape[0] * w_shape[1] * w_shape[2] * w_shape[3]
    return max(weights, blocks * weights + threads * PER_THREAD)


def index_size(w_shape, int groups, int height):
    """Elements of integer scratch: two tap lists, one of outputs, and two numbers for each row of the input."""
    cdef long taps = max(w_shape[0] // groups, w_shape[1]) * w_shape[2] * w_shape[3]
    return 2 * taps + max(w_shape[0], w_shape[1] * groups) + 2 * height


cdef inline int turned(int tap, int size, bint flip) noexcept nogil:
    """The place of a tap along one axis of the kernel, from the other end where it is flipped."""
    return size - 1 - tap if flip else tap


def forward(const real[:, :, :, :, :] x, const real[:, :, :, ::1] w, const real[::1] bias,
            real[:, :, :, :, :] y, real[::1] scratch, int32_t[::1] index,
            int stride_h, int stride_w, int dilation_h, int dilation_w, bint flip, int groups, bint accumulate,
            bint rectified, int blocks, int threads):
    """y[o, i, j] = bias[o] + sum_{c,p,q} w[o, c, p, q] x[c, i*stride + p*dilation, j*stride + q*dilation].

    With `flip` the kernel is turned by 180 degrees (true convolution), in all three passes. With `accumulate` the sum
    is added to what y holds (a bias of each unit), and `bias` must be None. With `rectified` y is cut at 0.

    Parameters
    ----------
    x, w : IN
        `x` with its border already round it. `bias` may be None.
    y : OUT
    scratch, index : work space of `scratch_size` and `index_size` elements.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int outputs = w.shape[0] // groups, inputs = w.shape[1], rows = y.shape[2], columns = y.shape[3]
    cdef int kernel_h = w.shape[2], kernel_w = w.shape[3]
    if ((rows - 1) * stride_h + (kernel_h - 1) * dilation_h >= x.shape[2]
            or (columns - 1) * stride_w + (kernel_w - 1) * dilation_w >= x.shape[3]
            or x.shape[1] != inputs * groups or y.shape[1] != w.shape[0] or min(x.shape[0], y.shape[0]) < blocks):
        raise ValueError("conv2d: the shapes of input, weights and output do not belong together")
    cdef int taps = inputs * kernel_h * kernel_w
    cdef ptrdiff_t item = sizeof(real)
    cdef ptrdiff_t x_channel = x.strides[1] // item, x_row = x.strides[2] // item, y_channel = y.strides[1] // item
    cdef int32_t *off = &index[0]
    cdef int32_t *order = off + taps
    cdef int32_t *yo = order + taps
    cdef int c, p, q, o, k = 0, g
    for c in range(inputs):
        for p in range(kernel_h):
            for q in range(kernel_w):
                off[k] = <int32_t>(c * x_channel + turned(p, kernel_h, flip) * dilation_h * x_row
                                   + turned(q, kernel_w, flip) * dilation_w * lanes)
                order[k] = k
                k += 1
    for o in range(outputs):
        yo[o] = <int32_t>(o * y_channel)
    cdef Grid grid = Grid(x.strides[0] // item, stride_h * x_row, stride_w * lanes, y.strides[0] // item,
                          y.strides[2] // item, lanes, blocks, rows, columns, lanes)
    cdef int team_size = team(threads, <double>blocks * rows * columns * lanes * taps * w.shape[0] / 8)
    cdef int teams = team_size if groups >= team_size else 1, members = team_size // teams
    cdef const real *bias0 = &bias[0] if bias is not None else NULL
    cdef int start = START_Y if accumulate else START_BIAS if bias0 != NULL else START_ZERO
    with nogil:
        for g in prange(groups, num_threads=teams, schedule="static"):
            pack_weights(&w[g * outputs, 0, 0, 0], taps, order, outputs, taps, &scratch[g * outputs * taps], members)
            correlate(grid, &x[0, g * inputs, 0, 0, 0], &scratch[g * outputs * taps], off, taps, <const int32_t *>NULL,
                      &y[0, g * outputs, 0, 0, 0], yo, outputs, bias0 + g * outputs if bias0 != NULL else NULL,
                      start, rectified, ROWS_AT_ONCE, members)


def backward_input(const real[:, :, :, :, :] dy, const real[:, :, :, ::1] w, real[:, :, :, :, :] dx,
                   real[::1] scratch, int32_t[::1] index, int stride_h, int stride_w, int dilation_h, int dilation_w,
                   int padding_h, int padding_w, int frame_h, int frame_w, int rows, bint flip, int groups,
                   int blocks, int threads):
    """dx[c, a, b] = sum of w[o, c, p, q] dy[o, i, j] over all o and i*stride + p*dilation = a + padding (b likewise).

    Parameters
    ----------
    dy, w : IN
        `dy` with a border of zeros, `frame_h` rows of it above its `rows` rows and `frame_w` columns to the left.
    dx : OUT
    """
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int outputs = w.shape[0] // groups, inputs = w.shape[1], height = dx.shape[2], width = dx.shape[3]
    cdef int kernel_h = w.shape[2], kernel_w = w.shape[3]
    if (dx.shape[1] != inputs * groups or dy.shape[1] != w.shape[0] or min(dx.shape[0], dy.shape[0]) < blocks
            or (height - 1 + padding_h) // stride_h + frame_h >= dy.shape[2]
            or (width - 1 + padding_w) // stride_w + frame_w >= dy.shape[3]
            or frame_h * stride_h < (kernel_h - 1) * dilation_h - padding_h
            or frame_w * stride_w < (kernel_w - 1) * dilation_w - padding_w):
        raise ValueError("conv2d: the shapes of gradients and weights do not belong together")
    cdef ptrdiff_t item = sizeof(real)
    cdef ptrdiff_t y_channel = dy.strides[1] // item, y_row = dy.strides[2] // item, x_channel = dx.strides[1] // item
    cdef ptrdiff_t x_row = dx.strides[2] // item, w_output = <ptrdiff_t>inputs * kernel_h * kernel_w
    cdef int32_t *off = &index[0]
    cdef int32_t *order = off + outputs * kernel_h * kernel_w
    cdef int32_t *xo = order + outputs * kernel_h * kernel_w
    cdef int32_t *used = xo + inputs
    cdef int c, p, q, o, g, i, phase_h, phase_w, taps, source
    for c in range(inputs):
        xo[c] = <int32_t>(c * x_channel)
    cdef Grid grid = Grid(dy.strides[0] // item, y_row, lanes, dx.strides[0] // item, stride_h * x_row,
                          stride_w * lanes, blocks, 0, 0, lanes)
    cdef int team_size = team(threads, <double>blocks * height * width * lanes * w_output * w.shape[0]
                              / (8 * stride_h * stride_w))
    cdef int teams = team_size if groups >= team_size else 1, members = team_size // teams
    with nogil:
        for phase_h in range(min(stride_h, height)):
            grid.rows = (height - phase_h + stride_h - 1) // stride_h
            for phase_w in range(min(stride_w, width)):
                grid.columns = (width - phase_w + stride_w - 1) // stride_w
                taps = 0
                for i in range(grid.rows):
                    used[2 * i] = 0
                    used[2 * i + 1] = 0
                for p in range(kernel_h):
                    if (phase_h + padding_h - p * dilation_h) % stride_h != 0:
                        continue
                    source = (phase_h + padding_h - p * dilation_h) // stride_h    # rows sink as p grows: from the end on
                    for o in range(outputs):
                        for q in range(kernel_w):
                            if (phase_w + padding_w - q * dilation_w) % stride_w != 0:
                                continue
                            off[taps] = <int32_t>(o * y_channel + (source + frame_h) * y_row
                                + ((phase_w + padding_w - q * dilation_w) // stride_w + frame_w) * lanes)
                            order[taps] = <int32_t>(o * w_output + turned(p, kernel_h, flip) * kernel_w
                                                    + turned(q, kernel_w, flip))
                            taps = taps + 1
                    for i in range(grid.rows):
                        if i + source >= rows:
                            used[2 * i] = taps
                        if i + source >= 0:
                            used[2 * i + 1] = taps
                for g in prange(groups, num_threads=teams, schedule="static"):
                    pack_weights(&w[g * outputs, 0, 0, 0], kernel_h * kernel_w, order, inputs, taps,
                                 &scratch[g * outputs * w_output], members)
                    correlate(grid, &dy[0, g * outputs, 0, 0, 0], &scratch[g * outputs * w_output], off, taps, used,
                              &dx[0, g * inputs, phase_h, phase_w, 0], xo, inputs, <const real *>NULL, START_ZERO,
                              False, ROWS_AT_ONCE, members)


def backward_params(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, :, :, ::1] dw,
                    real[::1] scratch, int32_t[::1] index, int stride_h, int stride_w,
                    int dilation_h, int dilation_w, bint flip, int groups, int blocks, int threads):
    """dw[o, c, p, q] = sum over images, i, j of dy[o, i, j] x[c, i*stride + p*dilation, ...].

    Parameters
    ----------
    x, dy : IN
        `x` with its border, `dy` without.
    dw : OUT
    """
    cdef int lanes = lanes_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef int all_outputs = dw.shape[0], outputs = dw.shape[0] // groups, inputs = dw.shape[1]
    cdef int kernel_h = dw.shape[2], kernel_w = dw.shape[3], rows = dy.shape[2], columns = dy.shape[3]
    if ((rows - 1) * stride_h + (kernel_h - 1) * dilation_h >= x.shape[2]
            or (columns - 1) * stride_w + (kernel_w - 1) * dilation_w >= x.shape[3]
            or x.shape[1] != inputs * groups or dy.shape[1] != all_outputs or min(x.shape[0], dy.shape[0]) < blocks):
        raise ValueError("conv2d: the shapes of input and gradients do not belong together")
    cdef int taps = inputs * kernel_h * kernel_w
    cdef ptrdiff_t item = sizeof(real)
    cdef ptrdiff_t x_block = x.strides[0] // item, x_channel = x.strides[1] // item, x_row = x.strides[2] // item
    cdef ptrdiff_t y_block = dy.strides[0] // item, y_channel = dy.strides[1] // item, y_row = dy.strides[2] // item
    cdef ptrdiff_t weights = <ptrdiff_t>all_outputs * taps
    cdef int32_t *off = &index[0]
    cdef int32_t *yo = off + taps
    cdef int c, p, q, o, g, b, s, t, k = 0, k1, o1, piece
    for c in range(inputs):
        for p in range(kernel_h):
            for q in range(kernel_w):
                off[k] = <int32_t>(c * x_channel + turned(p, kernel_h, flip) * dilation_h * x_row
                                   + turned(q, kernel_w, flip) * dilation_w * lanes)
                k += 1
    for o in range(outputs):
        yo[o] = <int32_t>(o * y_channel)
    cdef int out_parts = part_count(outputs, OUTPUTS_AT_ONCE), tap_parts = part_count(taps, TAPS_AT_ONCE)
    cdef int pieces = blocks * groups * out_parts * tap_parts
    cdef int team_size = team(threads, <double>blocks * rows * columns * lanes * weights / 8)
    cdef ptrdiff_t per_thread = PER_THREAD
    cdef real *partial = &scratch[0]
    cdef real *sums = partial + blocks * weights
    cdef const real *x0 = &x[0, 0, 0, 0, 0]
    cdef const real *y0 = &dy[0, 0, 0, 0, 0]
    cdef ptrdiff_t i
    with nogil:
        for piece in prange(pieces, num_threads=team_size, schedule="dynamic"):
            t = piece % out_parts
            s = piece // out_parts % tap_parts
            g = piece // out_parts // tap_parts % groups
            b = piece // out_parts // tap_parts // groups
            o = part_start(outputs, OUTPUTS_AT_ONCE, t)
            o1 = part_start(outputs, OUTPUTS_AT_ONCE, t + 1)
            k = part_start(taps, TAPS_AT_ONCE, s)
            k1 = part_start(taps, TAPS_AT_ONCE, s + 1)
            weight_gradient(x0 + b * x_block + g * inputs * x_channel, stride_h * x_row, <ptrdiff_t>stride_w * lanes,
                            y0 + b * y_block + g * outputs * y_channel, y_row, yo + o, o1 - o, off + k, k1 - k, rows,
                            columns, lanes, sums + threadid() * per_thread,
                            partial + b * weights + <ptrdiff_t>(g * outputs + o) * taps + k, taps)
        add_blocks(partial, weights, blocks, team_size)
        for i in range(weights):
            (&dw[0, 0, 0, 0])[i] = partial[i]
