# The walks over Winograd's tiles: convolution, and its transpose for the gradient of the input.
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t
from libc.string cimport memset

from cnncli._fast._microkernel cimport LANES, START_ZERO, TILE, Grid, part_count, part_start, tile_run, vector_length
from cnncli._fast._types cimport real
from cnncli._fast._winograd cimport (
    LINE, OUTPUTS, WIDEST, data, gradient, output, padded, products, scatter, tiles_at_once, weights, weights_size,
)


cdef inline void transform_weights(const real *w, ptrdiff_t w_output, ptrdiff_t w_input, bint turned, int outputs, int inputs,
                                   int kernel, real *transformed, real *work, int threads) noexcept nogil:
    """transformed = [tile of outputs][e][input][output within the tile]; `work` has room for one tile per thread."""
    cdef ptrdiff_t longest = padded(TILE * inputs, WIDEST), step
    cdef int t, c, o, k, first, size, taps = kernel * kernel, length = vector_length(transformed, LANES)
    cdef int values = products(kernel)
    cdef ptrdiff_t i
    cdef real *g
    cdef const real *source
    for t in prange(part_count(outputs, TILE), num_threads=threads, schedule="static"):
        first = part_start(outputs, TILE, t)
        size = part_start(outputs, TILE, t + 1) - first
        g = work + threadid() * 25 * longest
        step = padded(size * inputs, WIDEST)
        for c in range(inputs):
            for o in range(size):
                source = w + (first + o) * w_output + c * w_input
                for k in range(taps):
                    g[(taps - 1 - k if turned else k) * step + c * size + o] = source[k]
        for k in range(taps):
            for i in range(<ptrdiff_t>size * inputs, step):
                g[k * step + i] = 0
        i = 0
        while i < step:
            weights(LANES, kernel, g + i, step, transformed + t * values * longest + i, step)
            i = i + length


cdef inline void multiply(const real *transformed, int kernel, int outputs, int inputs, int from_tile, int to_tile,
                          const real *tx, ptrdiff_t x_step, const int32_t *x_off, real *ty, ptrdiff_t y_step,
                          const int32_t *y_off, int vectors, int lanes) noexcept nogil:
    """ty[e] = the matrix e of the transformed weights times tx[e], for some of the tiles of outputs."""
    cdef ptrdiff_t longest = padded(TILE * inputs, WIDEST)
    cdef int e, t, first, count, length = vector_length(ty, lanes), values = products(kernel)
    for e in range(values):
        for t in range(from_tile, to_tile):
            first = part_start(outputs, TILE, t)
            count = part_start(outputs, TILE, t + 1) - first
            tile_run(count, vectors, lanes, transformed + t * values * longest + e * padded(count * inputs, WIDEST), count,
                     x_off, inputs, tx + e * x_step, length, ty + e * y_step, y_off + first, length, <const real *>NULL,
                     START_ZERO)


cdef inline void convolve(Grid g, const real *x, ptrdiff_t x_map, const real *w, ptrdiff_t w_output, ptrdiff_t w_input,
                          bint turned, int kernel, int outputs, int inputs, real *y, ptrdiff_t y_map, const real *bias,
                          int start, real *scratch, int32_t *index, int threads) noexcept nogil:
    """y = start + the correlation of x with the kernels w; rows and columns of the grid are those of y."""
    cdef int size = OUTPUTS, tiles_h = part_count(g.rows, size), tiles_w = part_count(g.columns, size)
    cdef int at_once = tiles_at_once(outputs + inputs, kernel, g.lanes, tiles_w), groups = part_count(tiles_w, at_once)
    cdef ptrdiff_t n = at_once * g.lanes, longest = padded(TILE * inputs, WIDEST)
    cdef ptrdiff_t x_step = inputs * n + LINE, y_step = outputs * n + LINE
    cdef real *transformed = scratch
    cdef real *work = transformed + weights_size(outputs, inputs, kernel)
    cdef real *matrices = work + threads * padded(25 * longest, WIDEST)
    cdef int32_t *x_off = index
    cdef int32_t *y_off = index + inputs
    cdef int length = vector_length(y, g.lanes), vectors = g.lanes // length, values = products(kernel)
    cdef int piece, b, i, j, j0, j1, c, o, l
    cdef real *tx
    cdef real *ty
    for c in range(inputs):
        x_off[c] = <int32_t>(c * n)
    for o in range(outputs):
        y_off[o] = <int32_t>(o * n)
    transform_weights(w, w_output, w_input, turned, outputs, inputs, kernel, transformed, work, threads)
    for piece in prange(g.blocks * tiles_h * groups, num_threads=threads, schedule="dynamic"):
        b = piece // groups // tiles_h
        i = piece // groups % tiles_h
        j0 = part_start(tiles_w, at_once, piece % groups)
        j1 = part_start(tiles_w, at_once, piece % groups + 1)
        tx = matrices + threadid() * values * (x_step + y_step)
        ty = tx + values * x_step
        for c in range(inputs):
            for j in range(j0, j1):
                for l in range(vectors):
                    data(g.lanes, kernel,
                         x + b * g.x_block + c * x_map + i * size * g.x_row + j * size * g.x_pixel + l * length,
                         g.x_row, g.x_pixel, tx + c * n + (j - j0) * g.lanes + l * length, x_step)
        multiply(transformed, kernel, outputs, inputs, 0, part_count(outputs, TILE), tx, x_step, x_off, ty, y_step, y_off,
                 (j1 - j0) * vectors, g.lanes)
        for o in range(outputs):
            for j in range(j0, j1):
                for l in range(vectors):
                    output(g.lanes, kernel, ty + o * n + (j - j0) * g.lanes + l * length, y_step,
                           y + b * g.y_block + o * y_map + i * size * g.y_row + j * size * g.y_pixel + l * length, g.y_row,
                           g.y_pixel, min(size, g.rows - i * size), min(size, g.columns - j * size),
                           bias + o if bias != NULL else NULL, start)


cdef inline void transposed_convolve(Grid g, const real *dy, ptrdiff_t y_map, const real *w, ptrdiff_t w_output,
                                     ptrdiff_t w_input, bint turned, int kernel, int outputs, int inputs, real *dx,
                                     ptrdiff_t x_map, int height, int width, real *scratch, int32_t *index,
                                     int threads) noexcept nogil:
    """dx = what dy[i, j] w[p, q] adds to the sample i + p, j + q; rows and columns of the grid are those of dy.

    Tiles overlap in dx, but no row of them with the next but one: first the even rows of tiles, then the odd ones.
    """
    cdef int size = OUTPUTS, tiles_h = part_count(g.rows, size), tiles_w = part_count(g.columns, size)
    cdef int at_once = tiles_at_once(outputs + inputs, kernel, g.lanes, tiles_w), groups = part_count(tiles_w, at_once)
    cdef ptrdiff_t n = at_once * g.lanes, y_step = outputs * n + LINE, x_step = inputs * n + LINE
    cdef real *transformed = scratch
    cdef real *work = transformed + weights_size(inputs, outputs, kernel)
    cdef real *matrices = work + threads * padded(25 * padded(TILE * outputs, WIDEST), WIDEST)
    cdef int32_t *y_off = index
    cdef int32_t *x_off = index + outputs
    cdef int length = vector_length(dx, g.lanes), vectors = g.lanes // length, values = products(kernel)
    cdef int piece, odd, pairs, b, i, j, t, t0, t1, j0, j1, c, c0, c1, o, l, end
    cdef int tiles_c = part_count(inputs, TILE), parts = 1
    cdef real *tx
    cdef real *ty
    while g.blocks * (tiles_h // 2) * parts < threads and parts < tiles_c:
        parts = parts + 1
    for o in range(outputs):
        y_off[o] = <int32_t>(o * n)
    for c in range(inputs):
        x_off[c] = <int32_t>(c * n)
    transform_weights(w, w_input, w_output, turned, inputs, outputs, kernel, transformed, work, threads)
    for odd in range(2):
        pairs = (tiles_h + 1 - odd) // 2
        for piece in prange(g.blocks * pairs * parts, num_threads=threads, schedule="dynamic"):
            b = piece // parts // pairs
            i = piece // parts % pairs * 2 + odd
            t0 = tiles_c * (piece % parts) // parts
            t1 = tiles_c * (piece % parts + 1) // parts
            c0 = part_start(inputs, TILE, t0)
            c1 = part_start(inputs, TILE, t1)
            ty = matrices + threadid() * values * (x_step + y_step)
            tx = ty + values * y_step
            if not odd:
                end = height if i + 2 >= tiles_h else (i + 2) * size
                for c in range(c0, c1):
                    for j in range(i * size, end):
                        memset(dx + b * g.y_block + c * x_map + j * g.y_row, 0, sizeof(real) * <size_t>width * g.lanes)
            for t in range(groups):
                j0 = part_start(tiles_w, at_once, t)
                j1 = part_start(tiles_w, at_once, t + 1)
                for o in range(outputs):
                    for j in range(j0, j1):
                        for l in range(vectors):
                            gradient(g.lanes, kernel,
                                     dy + b * g.x_block + o * y_map + i * size * g.x_row + j * size * g.x_pixel + l * length,
                                     g.x_row, g.x_pixel, ty + o * n + (j - j0) * g.lanes + l * length, y_step)
                multiply(transformed, kernel, inputs, outputs, t0, t1, ty, y_step, y_off, tx, x_step, x_off,
                         (j1 - j0) * vectors, g.lanes)
                for c in range(c0, c1):
                    for j in range(j0, j1):
                        for l in range(vectors):
                            scatter(g.lanes, kernel, tx + c * n + (j - j0) * g.lanes + l * length, x_step,
                                    dx + b * g.y_block + c * x_map + i * size * g.y_row + j * size * g.y_pixel + l * length,
                                    g.y_row, g.y_pixel, height - i * size, width - j * size)
