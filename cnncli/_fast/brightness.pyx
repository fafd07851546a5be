"""Brightness (local response) normalisation: y = x d^-mu with d = kappa + lambda S, S a sum of squares over a window.

Design
a) Nothing is kept for the backward pass: the squares are summed again, which costs less than reading them back.
b) All maps, or a window of maps: rows are shared out, and maps are gone through for a few pixels at a time, so that all
   that is made of them stays in the first-level cache. A square in the same map: maps are shared out.
c) Windows are matrices of ones as in `_bands.pxd`, over maps or over rows and columns; backward takes their transposes.
d) S is cut off at the largest finite number, and then counts as a constant.
e) Powers by Newton's steps instead of roots and divisions (`roots.h`), and windows over maps for several pixels at a
   time: with windows of 5 maps both passes together take 1.6 instead of 2.4 ms (32 maps of 28x28, 64 images, two
   threads). All maps have one S, and are near the speed of memory.
e) Powers by Newton's steps instead of roots and divisions (`roots.h`), and windows over maps for several pixels at a time:
   with windows of 5 maps both passes together take 1.6 instead of 2.4 ms (32 maps of 28x28, 64 images, two threads). All
   maps have one S, and are near the speed of memory.
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t
from libc.string cimport memset

from cnncli._fast._bands cimport Band, band_of, filter_row, weigh
from cnncli._fast._brightness cimport Job, divide, job_of
from cnncli._fast._microkernel cimport lanes_of
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef enum:
    CHUNK = 128                  # elements of each map that are worked on at a time


def scratch_size(shape, int lanes, int threads):
    """Elements of scratch: for each thread three maps and a row, or three chunks of all maps, whichever is more."""
    cdef long channels = shape[0], rows = shape[1], columns = shape[2]
    return threads * max(3 * rows * columns * lanes + columns * lanes, 3 * channels * CHUNK)


def across_forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, const int32_t[::1] index,
                   const double[::1] weight, real[::1] scratch, double kappa, double lambda_, double mu, int blocks,
                   int threads):
    """y = x d^-mu with S over maps: all of them, or with `index`, `weight` (may be None) a matrix of ones over maps.

    x: IN; y: OUT; scratch: work space of `scratch_size` elements.
    """
    cdef Job g = job_of(x.shape, x.strides, y.shape, y.strides, sizeof(real), kappa, lambda_, mu)
    cdef bint windowed = index is not None
    cdef Band window
    if windowed:
        window = band_of(index, weight, g.maps)
    cdef int piece, b, i, run = g.columns * g.lanes, j, size = 3 * g.maps * CHUNK
    for piece in prange(blocks * g.rows, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * g.maps * g.rows * run)):
        b = piece // g.rows
        i = piece % g.rows
        for j in range((run + CHUNK - 1) // CHUNK):
            chunk_forward(&g, &x[b, 0, i, 0, 0] + j * CHUNK, &y[b, 0, i, 0, 0] + j * CHUNK,
                          &window if windowed else NULL, run - j * CHUNK, &scratch[0] + threadid() * size)


cdef void chunk_forward(Job *g, const real *x, real *y, Band *window, int left, real *squares) noexcept nogil:
    """A few pixels of a row in all maps."""
    cdef int c, j, n = CHUNK if left > CHUNK else left
    cdef real *scale = squares + g.maps * CHUNK
    cdef const real *source
    cdef real *target
    sum_squares(g, x, squares, window != NULL, n)
    if window == NULL:
        divide(g, squares, squares, <real *>NULL, n)
    for c in range(g.maps):
        source = x + c * g.x_channel
        target = y + c * g.y_channel
        if window == NULL:
            for j in range(n):
                target[j] = source[j] * squares[j]
        else:
            weigh(scale, squares, CHUNK, window[0], c, n // g.lanes, g.lanes)
            divide(g, scale, scale, <real *>NULL, n)
            for j in range(n):
                target[j] = source[j] * scale[j]


cdef void sum_squares(Job *g, const real *x, real *squares, bint apart, int n) noexcept nogil:
    """x^2 of every map, one chunk after another if kept apart, else added up."""
    cdef int c, j
    cdef const real *source
    if not apart:
        memset(squares, 0, n * sizeof(real))
    for c in range(g.maps):
        source = x + c * g.x_channel
        if apart:
            for j in range(n):
                squares[c * CHUNK + j] = source[j] * source[j]
        else:
            for j in range(n):
                squares[j] += source[j] * source[j]


def across_backward(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, :, :, :, :] dx,
                    const int32_t[::1] index, const double[::1] weight, const int32_t[::1] back_index,
                    const double[::1] back_weight, real[::1] scratch, double kappa, double lambda_, double mu,
                    int blocks, int threads):
    """dx_j = dy_j d_j^-mu - 2 lambda mu x_j sum over the windows i that hold j of dy_i x_i d_i^(-mu-1).

    x, dy: IN; dx: OUT; `back_index`, `back_weight` are the transposed matrix.
    """
    cdef Job g = job_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real), kappa, lambda_, mu)
    g.dx_channel, g.dx_row = dx.strides[1] // <ptrdiff_t>sizeof(real), dx.strides[2] // <ptrdiff_t>sizeof(real)
    lanes_of(x.shape, x.strides, dx.shape, dx.strides, sizeof(real))
    cdef bint windowed = index is not None
    cdef Band window, back
    if windowed:
        window = band_of(index, weight, g.maps)
        back = band_of(back_index, back_weight, g.maps)
    cdef int piece, b, i, run = g.columns * g.lanes, j, size = 3 * g.maps * CHUNK
    for piece in prange(blocks * g.rows, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * g.maps * g.rows * run)):
        b = piece // g.rows
        i = piece % g.rows
        for j in range((run + CHUNK - 1) // CHUNK):
            if windowed:
                chunk_backward(&g, &x[b, 0, i, 0, 0] + j * CHUNK, &dy[b, 0, i, 0, 0] + j * CHUNK,
                               &dx[b, 0, i, 0, 0] + j * CHUNK, window, back, run - j * CHUNK,
                               &scratch[0] + threadid() * size)
            else:
                chunk_backward_all(&g, &x[b, 0, i, 0, 0] + j * CHUNK, &dy[b, 0, i, 0, 0] + j * CHUNK,
                                   &dx[b, 0, i, 0, 0] + j * CHUNK, run - j * CHUNK,
                                   &scratch[0] + threadid() * size)


cdef void chunk_backward_all(Job *g, const real *x, const real *dy, real *dx, int left, real *scale) noexcept nogil:
    """A few pixels of a row in all maps, which share one S."""
    cdef int c, j, n = CHUNK if left > CHUNK else left
    cdef real *slope = scale + CHUNK
    cdef real *products = scale + 2 * CHUNK
    cdef const real *source
    cdef const real *delta
    cdef real *target
    memset(scale, 0, 3 * CHUNK * sizeof(real))
    for c in range(g.maps):
        source = x + c * g.x_channel
        delta = dy + c * g.y_channel
        for j in range(n):
            scale[j] += source[j] * source[j]
            products[j] += source[j] * delta[j]
    divide(g, scale, scale, slope, n)
    for j in range(n):
        slope[j] = slope[j] * products[j]
    for c in range(g.maps):
        source = x + c * g.x_channel
        delta = dy + c * g.y_channel
        target = dx + c * g.dx_channel
        for j in range(n):
            target[j] = delta[j] * scale[j] + source[j] * slope[j]


cdef void chunk_backward(Job *g, const real *x, const real *dy, real *dx, Band window, Band back, int left,
                         real *squares) noexcept nogil:
    """A few pixels of a row in all maps, each with its own window."""
    cdef int c, j, n = CHUNK if left > CHUNK else left
    cdef real *scales = squares + g.maps * CHUNK
    cdef real *slopes = squares + 2 * g.maps * CHUNK
    cdef real *scale
    cdef real *slope
    cdef const real *source
    cdef const real *delta
    cdef real *target
    sum_squares(g, x, squares, True, n)
    for c in range(g.maps):
        source = x + c * g.x_channel
        delta = dy + c * g.y_channel
        scale = scales + c * CHUNK
        slope = slopes + c * CHUNK
        weigh(scale, squares, CHUNK, window, c, n // g.lanes, g.lanes)
        divide(g, scale, scale, slope, n)
        for j in range(n):
            slope[j] = slope[j] * source[j] * delta[j]
    slope = squares                                              # no longer wanted
    for c in range(g.maps):
        source = x + c * g.x_channel
        delta = dy + c * g.y_channel
        target = dx + c * g.dx_channel
        scale = scales + c * CHUNK
        weigh(slope, slopes, CHUNK, back, c, n // g.lanes, g.lanes)
        for j in range(n):
            target[j] = delta[j] * scale[j] + source[j] * slope[j]


def within_forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, tuple tables, real[::1] scratch, double kappa,
                   double lambda_, double mu, int blocks, int threads):
    """y = x d^-mu with S over a square in the same map. tables: matrices of ones for rows and for columns.

    x: IN; y: OUT; scratch: work space of `scratch_size` elements.
    """
    cdef Job g = job_of(x.shape, x.strides, y.shape, y.strides, sizeof(real), kappa, lambda_, mu)
    cdef Band down = band_of(tables[0][0], tables[0][1], g.rows)
    cdef Band across = band_of(tables[1][0], tables[1][1], g.columns)
    cdef ptrdiff_t run = g.columns * g.lanes
    cdef int piece
    for piece in prange(blocks * g.maps, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * g.maps * g.rows * run)):
        map_forward(&g, &x[piece // g.maps, piece % g.maps, 0, 0, 0], &y[piece // g.maps, piece % g.maps, 0, 0, 0],
                    down, across, &scratch[0] + threadid() * (3 * g.rows + 1) * run)


cdef void map_forward(Job *g, const real *x, real *y, Band down, Band across, real *squares) noexcept nogil:
    cdef ptrdiff_t run = g.columns * g.lanes, j
    cdef real *scale = squares + g.rows * run
    cdef real *line = squares + 3 * g.rows * run
    cdef int i
    square_map(g, x, squares)
    for i in range(g.rows):
        filter_row(squares, run, g.columns, down, i, across, line, scale, g.columns, g.lanes)
        divide(g, scale, scale, <real *>NULL, run)
        for j in range(run):
            y[i * g.y_row + j] = x[i * g.x_row + j] * scale[j]


cdef void square_map(Job *g, const real *x, real *squares) noexcept nogil:
    cdef ptrdiff_t run = g.columns * g.lanes, j
    cdef int i
    for i in range(g.rows):
        for j in range(run):
            squares[i * run + j] = x[i * g.x_row + j] * x[i * g.x_row + j]


def within_backward(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, :, :, :, :] dx, tuple tables,
                    real[::1] scratch, double kappa, double lambda_, double mu, int blocks, int threads):
    """The gradient of `within_forward`. x, dy: IN; dx: OUT; tables: its matrices, then their transposes."""
    cdef Job g = job_of(x.shape, x.strides, dy.shape, dy.strides, sizeof(real), kappa, lambda_, mu)
    g.dx_channel, g.dx_row = dx.strides[1] // <ptrdiff_t>sizeof(real), dx.strides[2] // <ptrdiff_t>sizeof(real)
    lanes_of(x.shape, x.strides, dx.shape, dx.strides, sizeof(real))
    cdef Band down = band_of(tables[0][0], tables[0][1], g.rows)
    cdef Band across = band_of(tables[1][0], tables[1][1], g.columns)
    cdef Band up = band_of(tables[2][0], tables[2][1], g.rows), back = band_of(tables[3][0], tables[3][1], g.columns)
    cdef ptrdiff_t run = g.columns * g.lanes
    cdef int piece, b, c
    for piece in prange(blocks * g.maps, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * g.maps * g.rows * run)):
        b = piece // g.maps
        c = piece % g.maps
        map_backward(&g, &x[b, c, 0, 0, 0], &dy[b, c, 0, 0, 0], &dx[b, c, 0, 0, 0], down, across, up, back,
                     &scratch[0] + threadid() * (3 * g.rows + 1) * run)


cdef void map_backward(Job *g, const real *x, const real *dy, real *dx, Band down, Band across, Band up, Band back,
                       real *squares) noexcept nogil:
    cdef ptrdiff_t run = g.columns * g.lanes, j
    cdef real *scales = squares + g.rows * run
    cdef real *slopes = squares + 2 * g.rows * run
    cdef real *line = squares + 3 * g.rows * run
    cdef real *scale
    cdef real *slope
    cdef int i
    square_map(g, x, squares)
    for i in range(g.rows):
        scale = scales + i * run
        slope = slopes + i * run
        filter_row(squares, run, g.columns, down, i, across, line, scale, g.columns, g.lanes)
        divide(g, scale, scale, slope, run)
        for j in range(run):
            slope[j] = slope[j] * x[i * g.x_row + j] * dy[i * g.y_row + j]
    slope = squares                                              # no longer wanted
    for i in range(g.rows):
        scale = scales + i * run
        filter_row(slopes, run, g.columns, up, i, back, line, slope, g.columns, g.lanes)
        for j in range(run):
            dx[i * g.dx_row + j] = dy[i * g.y_row + j] * scale[j] + x[i * g.x_row + j] * slope[j]
