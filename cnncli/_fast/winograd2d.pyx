"""Convolution by Winograd's transforms (winograd.h): kernels of 3x3 and 5x5, stride 1, in all three passes.

Design
a) A piece of work is a few neighbouring tiles of one block: their 6x6 samples (8x8 for 5x5) of all input maps are
   transformed, the 36 (64) products of matrices run on the register tile of convolution, and the results are transformed
   back, all in the second-level cache. The transformed weights are made once per call.
b) The gradient of the input is the same walk over the output's gradient, with the maps' roles exchanged and the kernel
   turned. Without padding the output has fewer tiles than the input (4 and 9 for maps of 8x8 and 12x12): there the walk of
   the forward pass is taken backwards, each tile of the output adding to what it read.
c) The gradient of the weights sums over images, so its matrices have images along the sum: samples are transposed in
   registers first, 16 channels by 16 images, and the transforms run on channels. The work is shared out by blocks and parts
   of the maps.
d) The caller hands over views with border enough for whole tiles (`tiles` of `size` outputs); results beyond the map are
   not written.

Each sum has one order, that of the input maps (images and tiles in the gradient of the weights), whatever the threads.
Shapes as in conv2d.pyx.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t

from cnncli._fast._microkernel cimport (
    LANES, RECTIFY, START_Y, START_ZERO, TILE, Grid, lanes_of, part_count, part_start, tile_run, vector_length,
)
from cnncli._fast._reduce cimport add_blocks
from cnncli._fast._transpose cimport transpose
from cnncli._fast._types cimport real
from cnncli._fast._winograd cimport (
    LINE, MAPS_AT_ONCE, OUTPUTS, WIDEST, data, gradient, gradient_size, padded, pass_size, products, tiles_at_once, tiles_of,
    weight_gradient,
)
from cnncli._fast._winograd_walk cimport convolve, transposed_convolve


def scratch_size(w_shape, int in_size, int out_size, int blocks, int lanes, int threads):
    """Elements of scratch that any of the three passes needs; `in_size`, `out_size` are the columns of the two maps."""
    cdef int outputs = w_shape[0], inputs = w_shape[1], kernel = w_shape[2]
    return max(pass_size(outputs, inputs, kernel, lanes, tiles_of(out_size), threads),
               pass_size(inputs, outputs, kernel, lanes, tiles_of(in_size), threads),
               gradient_size(outputs, inputs, kernel, lanes, tiles_of(out_size), blocks, threads))


def index_size(w_shape, int in_size, int out_size):
    """Elements of integer scratch."""
    return w_shape[0] + w_shape[1] + LANES * tiles_of(max(in_size, out_size)) + TILE


cdef int check(const Py_ssize_t *x, const Py_ssize_t *y, int rows, int columns, const Py_ssize_t *w, int inputs,
               int outputs, int blocks) except -1:
    """Whether `x` (with its border) holds all tiles of an output of rows x columns, and the numbers of maps agree."""
    cdef int kernel = <int>w[2], size = OUTPUTS
    if kernel not in (3, 5) or w[3] != kernel:
        raise ValueError("winograd2d: kernels have 3x3 or 5x5 taps")
    if (x[1] != inputs or y[1] != outputs or min(x[0], y[0]) < blocks
            or x[2] < part_count(rows, size) * size + kernel - 1
            or x[3] < part_count(columns, size) * size + kernel - 1):
        raise ValueError("winograd2d: the shapes of input, weights and output do not belong together")
    return 0


def forward(const real[:, :, :, :, :] x, const real[:, :, :, ::1] w, const real[::1] bias,
            real[:, :, :, :, :] y, real[::1] scratch, int32_t[::1] index, bint flip, bint accumulate, bint rectified,
            int blocks, int threads):
    """y[o, i, j] = bias[o] + sum_{c,p,q} w[o, c, p, q] x[c, i + p, j + q]; options and shapes as `conv2d.forward`.

    Parameters
    ----------
    x, w : IN
        `x` with its border already round it, as far as the last whole tile reaches. `bias` may be None.
    y : OUT
    scratch, index : work space of `scratch_size` and `index_size` elements.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int outputs = w.shape[0], inputs = w.shape[1], kernel = w.shape[2]
    check(x.shape, y.shape, <int>y.shape[2], <int>y.shape[3], w.shape, inputs, outputs, blocks)
    cdef ptrdiff_t item = sizeof(real)
    cdef Grid grid = Grid(x.strides[0] // item, x.strides[2] // item, lanes, y.strides[0] // item, y.strides[2] // item,
                          lanes, blocks, y.shape[2], y.shape[3], lanes)
    cdef const real *bias0 = &bias[0] if bias is not None else NULL
    with nogil:
        convolve(grid, &x[0, 0, 0, 0, 0], x.strides[1] // item, &w[0, 0, 0, 0], w.strides[0] // item,
                 w.strides[1] // item, flip, kernel, outputs, inputs, &y[0, 0, 0, 0, 0], y.strides[1] // item, bias0,
                 (START_Y if accumulate else START_ZERO) | (RECTIFY if rectified else 0), &scratch[0], &index[0], threads)


def backward_input(const real[:, :, :, :, :] dy, const real[:, :, :, ::1] w, real[:, :, :, :, :] dx,
                   real[::1] scratch, int32_t[::1] index, bint flip, int blocks, int threads):
    """dx[c, a, b] = sum of w[o, c, p, q] dy[o, a + padding - p, b + padding - q].

    dy, w: IN; dx: OUT. `dy` with kernel - 1 - padding rows and columns of zeros before it, and as many behind it as the
    last whole tile of `dx` reaches.
    """
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int outputs = w.shape[0], inputs = w.shape[1], kernel = w.shape[2]
    check(dy.shape, dx.shape, <int>dx.shape[2], <int>dx.shape[3], w.shape, outputs, inputs, blocks)
    cdef ptrdiff_t item = sizeof(real)
    cdef Grid grid = Grid(dy.strides[0] // item, dy.strides[2] // item, lanes, dx.strides[0] // item,
                          dx.strides[2] // item, lanes, blocks, dx.shape[2], dx.shape[3], lanes)
    with nogil:
        convolve(grid, &dy[0, 0, 0, 0, 0], dy.strides[1] // item, &w[0, 0, 0, 0], w.strides[1] // item,
                 w.strides[0] // item, not flip, kernel, inputs, outputs, &dx[0, 0, 0, 0, 0], dx.strides[1] // item,
                 <const real *>NULL, START_ZERO, &scratch[0], &index[0], threads)


def scatter_input(const real[:, :, :, :, :] dy, const real[:, :, :, ::1] w, real[:, :, :, :, :] dx, real[::1] scratch,
                  int32_t[::1] index, int rows, int columns, bint flip, int blocks, int threads):
    """The same without padding, by tiles of the output's gradient (`rows` x `columns` samples): there are fewer of them.

    dy, w: IN; dx: OUT. `dy` has no border before it, and zeros behind it up to whole tiles.
    """
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int outputs = w.shape[0], inputs = w.shape[1], kernel = w.shape[2], size = OUTPUTS
    if (kernel not in (3, 5) or w.shape[3] != kernel or dy.shape[1] != outputs or dx.shape[1] != inputs
            or dx.shape[2] != rows + kernel - 1 or dx.shape[3] != columns + kernel - 1
            or dy.shape[2] < part_count(rows, size) * size or dy.shape[3] < part_count(columns, size) * size
            or min(dx.shape[0], dy.shape[0]) < blocks):
        raise ValueError("winograd2d: the shapes of gradients and weights do not belong together")
    cdef ptrdiff_t item = sizeof(real)
    cdef Grid grid = Grid(dy.strides[0] // item, dy.strides[2] // item, lanes, dx.strides[0] // item,
                          dx.strides[2] // item, lanes, blocks, rows, columns, lanes)
    with nogil:
        transposed_convolve(grid, &dy[0, 0, 0, 0, 0], dy.strides[1] // item, &w[0, 0, 0, 0], w.strides[0] // item,
                            w.strides[1] // item, flip, kernel, outputs, inputs, &dx[0, 0, 0, 0, 0],
                            dx.strides[1] // item, rows + kernel - 1, columns + kernel - 1, &scratch[0], &index[0], threads)


cdef void transposed_values(const real *x, const int32_t *map_off, ptrdiff_t row, ptrdiff_t pixel, int maps, int lanes,
                            int kernel, int samples, real *t, ptrdiff_t t_row, ptrdiff_t step, real *work) noexcept nogil:
    """t[e][lane][map] = the values of one tile, of the input (kernel + 3 samples a side) or of the output's gradient (4)."""
    cdef int length = vector_length(x, lanes), m, l, i, j
    cdef ptrdiff_t sample = length * length
    for m in range(part_count(maps, length)):
        for l in range(lanes // length):
            for i in range(samples):
                for j in range(samples):
                    transpose(lanes, x + i * row + j * pixel + l * length, map_off + m * length,
                              min(length, maps - m * length), work + (i * samples + j) * sample, length)
            for i in range(length):
                if samples == kernel + 3:
                    data(lanes, kernel, work + i * length, samples * sample, sample,
                         t + (l * length + i) * t_row + m * length, step)
                else:
                    gradient(lanes, kernel, work + i * length, samples * sample, sample,
                             t + (l * length + i) * t_row + m * length, step)


def backward_params(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, :, :, ::1] dw,
                    real[::1] scratch, int32_t[::1] index, int frame_h, int frame_w, int rows, int columns, bint flip,
                    int blocks, int threads):
    """dw[o, c, p, q] = sum over images, i, j of dy[o, i, j] x[c, i + p, j + q].

    x, dy: IN, with their borders as in the other passes; dw: OUT. The gradient of the output's `rows` x `columns` samples
    begins behind the first `frame_h` rows and `frame_w` columns of `dy`, and zeros stand behind it up to whole tiles.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef int outputs = dw.shape[0], inputs = dw.shape[1], kernel = dw.shape[2], size = OUTPUTS
    cdef int values = products(kernel)
    cdef int tiles_h = part_count(rows, size), tiles_w = part_count(columns, size)
    check(x.shape, dy.shape, rows, columns, dw.shape, inputs, outputs, blocks)
    if dy.shape[2] < frame_h + tiles_h * size or dy.shape[3] < frame_w + tiles_w * size:
        raise ValueError("winograd2d: the output's gradient ends within a tile")
    cdef ptrdiff_t item = sizeof(real)
    cdef ptrdiff_t x_block = x.strides[0] // item, x_map = x.strides[1] // item, x_row = x.strides[2] // item
    cdef ptrdiff_t y_block = dy.strides[0] // item, y_map = dy.strides[1] // item, y_row = dy.strides[2] // item
    cdef int c_parts = part_count(inputs, MAPS_AT_ONCE), o_parts = part_count(outputs, MAPS_AT_ONCE)
    cdef ptrdiff_t o_row = padded(min(outputs, MAPS_AT_ONCE), WIDEST), c_row = padded(min(inputs, MAPS_AT_ONCE), WIDEST)
    cdef int at_once = tiles_at_once(o_row + c_row, kernel, lanes, tiles_w), groups = part_count(tiles_w, at_once)
    cdef ptrdiff_t n = at_once * lanes, x_step = n * c_row + LINE, y_step = n * o_row + LINE, s_step = c_row * o_row + LINE
    cdef ptrdiff_t all_outputs = padded(outputs, WIDEST), block = inputs * kernel * kernel * all_outputs
    cdef real *partial = &scratch[0]
    cdef real *matrices = partial + blocks * block
    cdef ptrdiff_t per_thread = values * (x_step + y_step + s_step + WIDEST * WIDEST)
    cdef int32_t *y_off = &index[0]
    cdef int32_t *s_off = y_off + n
    cdef int32_t *x_off = s_off + TILE
    cdef int32_t *dy_off = x_off + inputs
    cdef int piece, b, c, c0, c1, o, o0, o1, i, j, j0, j1, e, k, t, first, count, length = vector_length(matrices, lanes)
    cdef int turned_tap, taps = kernel * kernel, start
    cdef real *tx
    cdef real *ty
    cdef real *sums
    cdef real *work
    cdef const real *x0 = &x[0, 0, 0, 0, 0]
    cdef const real *dy0 = &dy[0, 0, frame_h, frame_w, 0]
    for k in range(n):
        y_off[k] = <int32_t>(k * o_row)
    for k in range(TILE):
        s_off[k] = <int32_t>(k * o_row)
    for c in range(inputs):
        x_off[c] = <int32_t>(c * x_map)
    for o in range(outputs):
        dy_off[o] = <int32_t>(o * y_map)
    with nogil:
        for piece in prange(blocks * c_parts * o_parts, num_threads=threads, schedule="dynamic"):
            b = piece // c_parts // o_parts
            c0 = part_start(inputs, MAPS_AT_ONCE, piece // o_parts % c_parts)
            c1 = part_start(inputs, MAPS_AT_ONCE, piece // o_parts % c_parts + 1)
            o0 = piece % o_parts * MAPS_AT_ONCE
            o1 = min(outputs, o0 + MAPS_AT_ONCE)
            tx = matrices + threadid() * per_thread
            ty = tx + values * x_step
            sums = ty + values * y_step
            work = sums + values * s_step
            start = START_ZERO
            for i in range(tiles_h):
                for t in range(groups):
                    j0 = part_start(tiles_w, at_once, t)
                    j1 = part_start(tiles_w, at_once, t + 1)
                    for j in range(j0, j1):
                        transposed_values(x0 + b * x_block + i * size * x_row + j * size * lanes, x_off + c0, x_row, lanes,
                                          c1 - c0, lanes, kernel, kernel + 3, tx + (j - j0) * lanes * c_row, c_row,
                                          x_step, work)
                        transposed_values(dy0 + b * y_block + i * size * y_row + j * size * lanes, dy_off + o0, y_row, lanes,
                                          o1 - o0, lanes, kernel, size, ty + (j - j0) * lanes * o_row, o_row,
                                          y_step, work)
                    for e in range(values):
                        for k in range(part_count(c1 - c0, TILE)):
                            first = part_start(c1 - c0, TILE, k)
                            count = part_start(c1 - c0, TILE, k + 1) - first
                            tile_run(count, part_count(o1 - o0, length), lanes, tx + e * x_step + first, c_row,
                                     y_off, (j1 - j0) * lanes, ty + e * y_step, length, sums + e * s_step + first * o_row,
                                     s_off, length, <const real *>NULL, start)
                    start = START_Y
            for c in range(c0, c1):
                for o in range(part_count(o1 - o0, length)):
                    weight_gradient(lanes, kernel, sums + (c - c0) * o_row + o * length, s_step,
                                    partial + b * block + c * taps * all_outputs + o0 + o * length, all_outputs)
        add_blocks(partial, block, blocks, threads)
        for o in prange(outputs, num_threads=threads, schedule="static"):
            for c in range(inputs):
                for k in range(taps):
                    turned_tap = taps - 1 - k if flip else k
                    (&dw[o, c, 0, 0])[turned_tap] = partial[(c * taps + k) * all_outputs + o]
