"""Convolution by a connection table: each output map sees only some of the input maps, and has weights for those alone.

Design
a) Weights are ragged: [connection, kernel row, kernel column], the connections of output 0 first, then those of output 1.
b) Forward and the gradient of the input give every map its own list of taps (`correlate_each`): a tile of one output and
   eight vectors is bound by loads, not by arithmetic, but loses little.
c) The gradient of the weights goes by input maps instead: all outputs that see a map share its taps.

Shapes as in conv2d.pyx. `sources` is the input map of each connection, `starts` where the connections of each output begin.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t

from cnncli._fast._gradient cimport PER_THREAD, weight_gradient
from cnncli._fast._microkernel cimport START_BIAS, START_Y, START_ZERO, Grid, correlate_each, lanes_of
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._types cimport real


def scratch_size(long connections, long kernel, int blocks, int threads):
    """Elements of scratch: gathered weights, or partial gradients and vector sums."""
    return max(connections * kernel, blocks * connections * kernel + threads * (PER_THREAD + 136 * kernel))


def index_size(long connections, long kernel, long maps):
    """Elements of integer scratch: tap lists of all connections, and lists of maps."""
    return 2 * connections * kernel + 4 * maps + 8


cdef inline int turned(int tap, int size, bint flip) noexcept nogil:
    return size - 1 - tap if flip else tap


def forward(const real[:, :, :, :, :] x, const real[:, :, ::1] w, const real[::1] bias, real[:, :, :, :, :] y,
            const int32_t[::1] sources, const int32_t[::1] starts, int32_t[::1] index, int stride_h, int stride_w,
            int dilation_h, int dilation_w, bint flip, bint accumulate, int blocks, int threads):
    """y[o] = bias[o] + sum over the connections of o of w[connection] correlated with x[source].

    x (bordered), w, bias (may be None), sources, starts: IN; y: OUT, added to with `accumulate`.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int connections = w.shape[0], kernel_h = w.shape[1], kernel_w = w.shape[2], outputs = y.shape[1]
    cdef int rows = y.shape[2], columns = y.shape[3], n, p, q, o, k = 0
    if ((rows - 1) * stride_h + (kernel_h - 1) * dilation_h >= x.shape[2]
            or (columns - 1) * stride_w + (kernel_w - 1) * dilation_w >= x.shape[3]
            or starts.shape[0] != outputs + 1 or starts[outputs] != connections or sources.shape[0] != connections
            or min(x.shape[0], y.shape[0]) < blocks):
        raise ValueError("table_conv2d: the shapes of input, weights and output do not belong together")
    cdef ptrdiff_t item = sizeof(real), x_row = x.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int32_t *off = &index[0]
    cdef int32_t *begin = off + connections * kernel_h * kernel_w
    cdef int32_t *yo = begin + outputs + 1
    for n in range(connections):
        for p in range(kernel_h):
            for q in range(kernel_w):
                off[k] = <int32_t>(sources[n] * (x.strides[1] // item)
                                   + turned(p, kernel_h, flip) * dilation_h * x_row
                                   + turned(q, kernel_w, flip) * dilation_w * lanes)
                k += 1
    for o in range(outputs):
        begin[o] = starts[o] * kernel_h * kernel_w
        yo[o] = <int32_t>(o * (y.strides[1] // item))
    begin[outputs] = k
    cdef Grid grid = Grid(x.strides[0] // item, stride_h * x_row, stride_w * lanes, y.strides[0] // item,
                          y.strides[2] // item, lanes, blocks, rows, columns, lanes)
    cdef const real *bias0 = &bias[0] if bias is not None else NULL
    with nogil:
        correlate_each(grid, &x[0, 0, 0, 0, 0], &w[0, 0, 0], off, begin, &y[0, 0, 0, 0, 0], yo, outputs, bias0,
                       START_Y if accumulate else START_BIAS if bias0 != NULL else START_ZERO,
                       team(threads, <double>blocks * rows * columns * lanes * k / 8))


def backward_input(const real[:, :, :, :, :] dy, const real[:, :, ::1] w, real[:, :, :, :, :] dx,
                   const int32_t[::1] sources, const int32_t[::1] starts, real[::1] scratch, int32_t[::1] index,
                   int stride_h, int stride_w, int dilation_h, int dilation_w, int padding_h, int padding_w,
                   int frame_h, int frame_w, bint flip, int blocks, int threads):
    """dx[c] = sum over the connections from c; `dy` has a border of zeros as in conv2d.pyx. dx: OUT, the others IN."""
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int connections = w.shape[0], kernel_h = w.shape[1], kernel_w = w.shape[2], outputs = dy.shape[1]
    cdef int inputs = dx.shape[1], height = dx.shape[2], width = dx.shape[3]
    if (starts.shape[0] != outputs + 1 or starts[outputs] != connections or sources.shape[0] != connections
            or (height - 1 + padding_h) // stride_h + frame_h >= dy.shape[2]
            or (width - 1 + padding_w) // stride_w + frame_w >= dy.shape[3]
            or frame_h * stride_h < (kernel_h - 1) * dilation_h - padding_h
            or frame_w * stride_w < (kernel_w - 1) * dilation_w - padding_w
            or min(dx.shape[0], dy.shape[0]) < blocks):
        raise ValueError("table_conv2d: the shapes of gradients and weights do not belong together")
    cdef ptrdiff_t item = sizeof(real), y_row = dy.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int32_t *off = &index[0]
    cdef int32_t *begin = off + connections * kernel_h * kernel_w
    cdef int32_t *xo = begin + inputs + 1
    cdef int c, o, n, p, q, phase_h, phase_w, taps
    cdef const real *w0 = &w[0, 0, 0]
    for c in range(inputs):
        xo[c] = <int32_t>(c * (dx.strides[1] // item))
    cdef Grid grid = Grid(dy.strides[0] // item, y_row, lanes, dx.strides[0] // item,
                          stride_h * (dx.strides[2] // item), stride_w * lanes, blocks, 0, 0, lanes)
    cdef int team_size = team(threads, <double>blocks * height * width * lanes * connections * kernel_h * kernel_w / 8)
    with nogil:
        for phase_h in range(min(stride_h, height)):
            grid.rows = (height - phase_h + stride_h - 1) // stride_h
            for phase_w in range(min(stride_w, width)):
                grid.columns = (width - phase_w + stride_w - 1) // stride_w
                taps = 0
                for c in range(inputs):
                    begin[c] = taps
                    for o in range(outputs):
                        for n in range(starts[o], starts[o + 1]):
                            if sources[n] != c:
                                continue
                            for p in range(kernel_h):
                                if (phase_h + padding_h - p * dilation_h) % stride_h != 0:
                                    continue
                                for q in range(kernel_w):
                                    if (phase_w + padding_w - q * dilation_w) % stride_w != 0:
                                        continue
                                    off[taps] = <int32_t>(o * (dy.strides[1] // item)
                                        + ((phase_h + padding_h - p * dilation_h) // stride_h + frame_h) * y_row
                                        + ((phase_w + padding_w - q * dilation_w) // stride_w + frame_w) * lanes)
                                    scratch[taps] = w0[(n * kernel_h + turned(p, kernel_h, flip)) * kernel_w
                                                       + turned(q, kernel_w, flip)]
                                    taps = taps + 1
                begin[inputs] = taps
                correlate_each(grid, &dy[0, 0, 0, 0, 0], &scratch[0], off, begin, &dx[0, 0, phase_h, phase_w, 0], xo,
                               inputs, <const real *>NULL, START_ZERO, team_size)


def backward_params(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, :, ::1] dw,
                    const int32_t[::1] sources, const int32_t[::1] starts, real[::1] scratch, int32_t[::1] index,
                    int stride_h, int stride_w, int dilation_h, int dilation_w, bint flip, int blocks, int threads):
    """dw[connection] = sum over images and pixels of dy[output] and the taps of x[source]. dw: OUT, the others IN."""
    cdef int lanes = lanes_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef int connections = dw.shape[0], kernel_h = dw.shape[1], kernel_w = dw.shape[2], taps = kernel_h * kernel_w
    cdef int inputs = x.shape[1], outputs = dy.shape[1], rows = dy.shape[2], columns = dy.shape[3]
    if (starts.shape[0] != outputs + 1 or starts[outputs] != connections or sources.shape[0] != connections
            or (rows - 1) * stride_h + (kernel_h - 1) * dilation_h >= x.shape[2]
            or (columns - 1) * stride_w + (kernel_w - 1) * dilation_w >= x.shape[3]
            or min(x.shape[0], dy.shape[0]) < blocks):
        raise ValueError("table_conv2d: the shapes of input and gradients do not belong together")
    cdef ptrdiff_t item = sizeof(real), x_row = x.strides[2] // <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t x_block = x.strides[0] // item, x_channel = x.strides[1] // item
    cdef ptrdiff_t y_block = dy.strides[0] // item, y_channel = dy.strides[1] // item, y_row = dy.strides[2] // item
    cdef int32_t *off = &index[0]
    cdef int32_t *where = off + taps          # connections ordered by input map
    cdef int32_t *yo = where + connections    # and the output map of each
    cdef int32_t *begin = yo + connections
    cdef int c, o, n, p, q, k = 0, piece, b, part, parts
    for p in range(kernel_h):
        for q in range(kernel_w):
            off[k] = <int32_t>(turned(p, kernel_h, flip) * dilation_h * x_row
                               + turned(q, kernel_w, flip) * dilation_w * lanes)
            k += 1
    k = 0
    for c in range(inputs):
        begin[c] = k
        for o in range(outputs):
            for n in range(starts[o], starts[o + 1]):
                if sources[n] == c:
                    where[k] = n
                    yo[k] = <int32_t>(o * y_channel)
                    k += 1
    begin[inputs] = k
    cdef ptrdiff_t size = <ptrdiff_t>connections * taps, per_thread = PER_THREAD + 136 * taps
    cdef real *partial = &scratch[0]
    cdef real *sums = partial + blocks * size
    cdef const real *x0 = &x[0, 0, 0, 0, 0]
    cdef const real *y0 = &dy[0, 0, 0, 0, 0]
    cdef int team_size = team(threads, <double>blocks * rows * columns * lanes * size / 8)
    cdef ptrdiff_t i
    cdef real *out
    cdef int first, last, t
    parts = (outputs + 7) // 8
    with nogil:
        for piece in prange(blocks * inputs * parts, num_threads=team_size, schedule="dynamic"):
            part = piece % parts
            c = piece // parts % inputs
            b = piece // parts // inputs
            first = begin[c] + 8 * part
            last = first + 8 if first + 8 < begin[c + 1] else begin[c + 1]
            if first < last:
                out = sums + threadid() * per_thread
                weight_gradient(x0 + b * x_block + c * x_channel, stride_h * x_row, <ptrdiff_t>stride_w * lanes,
                                y0 + b * y_block, y_row, yo + first, last - first, off, taps, rows, columns, lanes,
                                out + 8 * taps, out, taps)
                for n in range(first, last):
                    for t in range(taps):
                        partial[b * size + <ptrdiff_t>where[n] * taps + t] = out[(n - first) * taps + t]
        add_blocks(partial, size, blocks, team_size)
        for i in range(size):
            (&dw[0, 0, 0])[i] = partial[i]
