"""Convolution by a connection table: each output map sees only some of the input maps, and has weights for those alone.

Design
a) Weights are ragged: [connection, kernel row, kernel column], the connections of output 0 first, then those of output 1.
b) All three passes go by the maps that are read: what they are connected to shares their taps, and so a register tile.
   Forward and the gradient of the input add to their results map by map (`scatter`), for a few pixels at a time, so
   that those of all maps stay in the first-level cache. A list of taps for each map that is written instead makes tiles
   of one output, which are bound by loads: with 8 of 32 maps of 28x28 to each and 5x5, forward took 3.4 instead of 2.5 ms
   (64 images, two threads).
c) Of a table that is rather full winograd2d.pyx is faster: `fill_up` gives it zeros, `take_out` leaves them out again.

Shapes as in conv2d.pyx. `sources` is the input map of each connection, `starts` where the connections of each output begin.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t
from libc.string cimport memcpy

from cnncli._fast._gradient cimport PER_THREAD, weight_gradient
from cnncli._fast._links cimport Links, by_input, by_output, pack
from cnncli._fast._microkernel cimport (
    START_BIAS, START_Y, START_ZERO, TILE, Grid, Runs, lanes_of, part_count, part_start, runs_of, tile_run, vector_length,
)
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._types cimport real

cdef enum:
    VECTORS_AT_ONCE = 16         # of each map


def scratch_size(long connections, long kernel, int blocks, int threads):
    """Elements of scratch: packed weights, or partial gradients and vector sums."""
    return max(connections * kernel, blocks * connections * kernel + threads * (PER_THREAD + 136 * kernel))


def index_size(long connections, long kernel, long maps):
    """Elements of integer scratch: the taps of one map, and the connections by map."""
    return 2 * kernel + 2 * connections + maps + 2


cdef inline int turned(int tap, int size, bint flip) noexcept nogil:
    return size - 1 - tap if flip else tap


cdef int check(const Py_ssize_t *x, const Py_ssize_t *w, const Py_ssize_t *y, const int32_t[::1] sources,
               const int32_t[::1] starts, int stride_h, int stride_w, int dilation_h, int dilation_w,
               int blocks) except -1:
    if ((y[2] - 1) * stride_h + (w[1] - 1) * dilation_h >= x[2]
            or (y[3] - 1) * stride_w + (w[2] - 1) * dilation_w >= x[3]
            or starts.shape[0] != y[1] + 1 or starts[y[1]] != w[0] or sources.shape[0] != w[0]
            or min(x[0], y[0]) < blocks):
        raise ValueError("table_conv2d: the shapes of input, weights and output do not belong together")
    return 0


cdef void scatter(Grid g, Links links, const real *x, ptrdiff_t x_channel, const real *packed, const int32_t *off,
                  int taps, real *y, int y_maps, ptrdiff_t y_channel, const real *bias, bint accumulate,
                  int threads) noexcept nogil:
    """y[to[n] + pixel] = bias + sum of w[n, k] x[map + off[k] + pixel] over the taps k and the connections n to it."""
    cdef Runs run = runs_of(g, vector_length(y, g.lanes), TILE)
    cdef int piece
    for piece in prange(g.blocks * g.rows, num_threads=threads, schedule="dynamic"):
        scatter_row(links, run, g.lanes, x + piece // g.rows * g.x_block + piece % g.rows * g.x_row, x_channel, packed,
                    off, taps, y + piece // g.rows * g.y_block + piece % g.rows * g.y_row, y_maps, y_channel, bias,
                    accumulate)


cdef void scatter_row(Links links, Runs run, int lanes, const real *x, ptrdiff_t x_channel, const real *packed,
                      const int32_t *off, int taps, real *y, int y_maps, ptrdiff_t y_channel, const real *bias,
                      bint accumulate) noexcept nogil:
    cdef int r, i, v, count, c, t, o, first, size, all
    cdef int32_t here = 0
    cdef const real *w
    cdef const real *source
    cdef real *target
    for r in range(run.count):
        for i in range(part_count(run.vectors, VECTORS_AT_ONCE)):
            v = i * VECTORS_AT_ONCE
            count = run.vectors - v if run.vectors - v < VECTORS_AT_ONCE else VECTORS_AT_ONCE
            source = x + r * run.x_step + v * run.x_vector
            target = y + r * run.y_step + v * run.y_vector
            if not accumulate:
                for o in range(y_maps):           # a tile without taps
                    tile_run(1, count, lanes, packed, 1, off, 0, source, run.x_vector, target + o * y_channel, &here,
                             run.y_vector, bias + o if bias != NULL else NULL,
                             START_BIAS if bias != NULL else START_ZERO)
            w = packed
            for c in range(links.maps):
                all = links.begin[c + 1] - links.begin[c]
                for t in range(part_count(all, TILE)):
                    first = part_start(all, TILE, t)
                    size = part_start(all, TILE, t + 1) - first
                    tile_run(size, count, lanes, w, size, off, taps, source + c * x_channel,
                             run.x_vector, target, links.to + links.begin[c] + first, run.y_vector,
                             <const real *>NULL, START_Y)
                    w = w + size * taps


def forward(const real[:, :, :, :, :] x, const real[:, :, ::1] w, const real[::1] bias, real[:, :, :, :, :] y,
            const int32_t[::1] sources, const int32_t[::1] starts, real[::1] scratch, int32_t[::1] index, int stride_h,
            int stride_w, int dilation_h, int dilation_w, bint flip, bint accumulate, int blocks, int threads):
    """y[o] = bias[o] + sum over the connections of o of w[connection] correlated with x[source].

    x (bordered), w, bias (may be None), sources, starts: IN; y: OUT, added to with `accumulate`.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    check(x.shape, w.shape, y.shape, sources, starts, stride_h, stride_w, dilation_h, dilation_w, blocks)
    cdef int kernel_h = w.shape[1], kernel_w = w.shape[2], rows = y.shape[2], columns = y.shape[3], p, q, k = 0
    cdef ptrdiff_t item = sizeof(real), x_row = x.strides[2] // item, y_channel = y.strides[1] // item
    cdef int32_t *off = &index[0]
    cdef int32_t *order = off + kernel_h * kernel_w
    for p in range(kernel_h):
        for q in range(kernel_w):
            off[k] = <int32_t>(turned(p, kernel_h, flip) * dilation_h * x_row
                               + turned(q, kernel_w, flip) * dilation_w * lanes)
            order[k] = k
            k += 1
    cdef Links links = by_input(sources, starts, x.shape[1], y_channel, order + k)
    cdef Grid grid = Grid(x.strides[0] // item, stride_h * x_row, stride_w * lanes, y.strides[0] // item,
                          y.strides[2] // item, lanes, blocks, rows, columns, lanes)
    cdef const real *bias0 = &bias[0] if bias is not None else NULL
    with nogil:
        pack(links, &w[0, 0, 0], k, order, k, &scratch[0])
        scatter(grid, links, &x[0, 0, 0, 0, 0], x.strides[1] // item, &scratch[0], off, k, &y[0, 0, 0, 0, 0],
                y.shape[1], y_channel, bias0, accumulate,
                team(threads, <double>blocks * rows * columns * lanes * w.shape[0] * k / 8))


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
    cdef ptrdiff_t item = sizeof(real), y_row = dy.strides[2] // item, x_channel = dx.strides[1] // item
    cdef int32_t *off = &index[0]
    cdef int32_t *order = off + kernel_h * kernel_w
    cdef Links links = by_output(sources, starts, x_channel, order + kernel_h * kernel_w)
    cdef int p, q, phase_h, phase_w, taps
    cdef Grid grid = Grid(dy.strides[0] // item, y_row, lanes, dx.strides[0] // item,
                          stride_h * (dx.strides[2] // item), stride_w * lanes, blocks, 0, 0, lanes)
    cdef int team_size = team(threads, <double>blocks * height * width * lanes * connections * kernel_h * kernel_w
                              / (8 * stride_h * stride_w))
    with nogil:
        for phase_h in range(min(stride_h, height)):
            grid.rows = (height - phase_h + stride_h - 1) // stride_h
            for phase_w in range(min(stride_w, width)):
                grid.columns = (width - phase_w + stride_w - 1) // stride_w
                taps = 0
                for p in range(kernel_h):
                    if (phase_h + padding_h - p * dilation_h) % stride_h != 0:
                        continue
                    for q in range(kernel_w):
                        if (phase_w + padding_w - q * dilation_w) % stride_w != 0:
                            continue
                        off[taps] = <int32_t>(((phase_h + padding_h - p * dilation_h) // stride_h + frame_h) * y_row
                            + ((phase_w + padding_w - q * dilation_w) // stride_w + frame_w) * lanes)
                        order[taps] = turned(p, kernel_h, flip) * kernel_w + turned(q, kernel_w, flip)
                        taps = taps + 1
                pack(links, &w[0, 0, 0], kernel_h * kernel_w, order, taps, &scratch[0])
                scatter(grid, links, &dy[0, 0, 0, 0, 0], dy.strides[1] // item, &scratch[0], off, taps,
                        &dx[0, 0, phase_h, phase_w, 0], inputs, x_channel, <const real *>NULL, False, team_size)


def backward_params(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, :, ::1] dw,
                    const int32_t[::1] sources, const int32_t[::1] starts, real[::1] scratch, int32_t[::1] index,
                    int stride_h, int stride_w, int dilation_h, int dilation_w, bint flip, int blocks, int threads):
    """dw[connection] = sum over images and pixels of dy[output] and the taps of x[source]. dw: OUT, the others IN."""
    cdef int lanes = lanes_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef int connections = dw.shape[0], kernel_h = dw.shape[1], kernel_w = dw.shape[2], taps = kernel_h * kernel_w
    cdef int inputs = x.shape[1], outputs = dy.shape[1], rows = dy.shape[2], columns = dy.shape[3]
    check(x.shape, dw.shape, dy.shape, sources, starts, stride_h, stride_w, dilation_h, dilation_w, blocks)
    cdef ptrdiff_t item = sizeof(real), x_row = x.strides[2] // <ptrdiff_t>sizeof(real)
    cdef ptrdiff_t x_block = x.strides[0] // item, x_channel = x.strides[1] // item
    cdef ptrdiff_t y_block = dy.strides[0] // item, y_channel = dy.strides[1] // item, y_row = dy.strides[2] // item
    cdef int32_t *off = &index[0]
    cdef Links links = by_input(sources, starts, inputs, y_channel, off + taps)
    cdef int c, n, p, q, k = 0, piece, b, part, parts
    for p in range(kernel_h):
        for q in range(kernel_w):
            off[k] = <int32_t>(turned(p, kernel_h, flip) * dilation_h * x_row
                               + turned(q, kernel_w, flip) * dilation_w * lanes)
            k += 1
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
            first = links.begin[c] + 8 * part
            last = first + 8 if first + 8 < links.begin[c + 1] else links.begin[c + 1]
            if first < last:
                out = sums + threadid() * per_thread
                weight_gradient(x0 + b * x_block + c * x_channel, stride_h * x_row, <ptrdiff_t>stride_w * lanes,
                                y0 + b * y_block, y_row, links.to + first, last - first, off, taps, rows, columns, lanes,
                                out + 8 * taps, out, taps)
                for n in range(first, last):
                    for t in range(taps):
                        partial[b * size + <ptrdiff_t>links.which[n] * taps + t] = out[(n - first) * taps + t]
        add_blocks(partial, size, blocks, team_size)
        for i in range(size):
            (&dw[0, 0, 0])[i] = partial[i]


def fill_up(const real[:, :, ::1] w, real[:, :, :, ::1] full, const int32_t[::1] sources, const int32_t[::1] starts):
    """The weights as convolution without a table has them, zeros where there is no connection. full: OUT."""
    full[...] = 0
    move(&full[0, 0, 0, 0], full.shape[0], full.shape[1], full.shape[2] * full.shape[3], sources, starts,
         <real *>&w[0, 0, 0], True)


def take_out(const real[:, :, :, ::1] full, real[:, :, ::1] w, const int32_t[::1] sources, const int32_t[::1] starts):
    """The way back: only the kernels of connections. w: OUT."""
    move(<real *>&full[0, 0, 0, 0], full.shape[0], full.shape[1], full.shape[2] * full.shape[3], sources, starts,
         &w[0, 0, 0], False)


cdef int move(real *full, int outputs, int inputs, int kernel, const int32_t[::1] sources, const int32_t[::1] starts,
              real *w, bint up) except -1:
    cdef int o, n
    cdef real *place
    if starts.shape[0] != outputs + 1 or starts[outputs] != sources.shape[0]:
        raise ValueError("table_conv2d: the shapes of weights and table do not belong together")
    for o in range(outputs):
        for n in range(starts[o], starts[o + 1]):
            place = full + (<ptrdiff_t>o * inputs + sources[n]) * kernel
            if up:
                memcpy(place, w + n * kernel, kernel * sizeof(real))
            else:
                memcpy(w + n * kernel, place, kernel * sizeof(real))
    return 0
