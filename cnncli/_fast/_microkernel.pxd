# Typed doors to microkernel.h, and the loop over outputs, rows and taps that both passes of convolution share.
from cython.parallel cimport prange
from libc.stdint cimport int32_t

from cnncli._fast._types cimport real

cdef extern from "microkernel.h" nogil:
    enum:
        VECTOR_BYTES
        TILE
        GRAD_OUT
        GRAD_TAP
        LANES
        LANES_SMALL
        START_ZERO
        START_BIAS
        START_Y
        RECTIFY
    void tile_run_f32(int, int, const float *, ptrdiff_t, const int32_t *, int, const float *, ptrdiff_t, float *,
                      const int32_t *, ptrdiff_t, const float *, int)
    void tile_run_f32x8(int, int, const float *, ptrdiff_t, const int32_t *, int, const float *, ptrdiff_t, float *,
                        const int32_t *, ptrdiff_t, const float *, int)
    void tile_run_f64(int, int, const double *, ptrdiff_t, const int32_t *, int, const double *, ptrdiff_t, double *,
                      const int32_t *, ptrdiff_t, const double *, int)
    void gradient_run_f32(int, int, const float *, const int32_t *, ptrdiff_t, const float *, const int32_t *,
                          ptrdiff_t, int, int, float *, ptrdiff_t)
    void gradient_run_f32x8(int, int, const float *, const int32_t *, ptrdiff_t, const float *, const int32_t *,
                            ptrdiff_t, int, int, float *, ptrdiff_t)
    void gradient_run_f64(int, int, const double *, const int32_t *, ptrdiff_t, const double *, const int32_t *,
                          ptrdiff_t, int, int, double *, ptrdiff_t)
    float map_sum_f32(const float *, ptrdiff_t, int, int)
    float map_sum_f32x8(const float *, ptrdiff_t, int, int)
    double map_sum_f64(const double *, ptrdiff_t, int, int)


cdef inline int lanes_of(const Py_ssize_t *shape, const Py_ssize_t *strides, const Py_ssize_t *other_shape,
                         const Py_ssize_t *other_strides, Py_ssize_t item) except -1:
    """Lanes of two activations, after making sure that columns and lanes lie side by side in both."""
    cdef Py_ssize_t lanes = shape[4]
    if (other_shape[4] != lanes or strides[4] != item or other_strides[4] != item or strides[3] != lanes * item
            or other_strides[3] != lanes * item or (lanes != LANES and lanes != LANES_SMALL)):
        raise ValueError("columns and lanes must be contiguous, and both arrays have 32 or 8 lanes")
    return <int>lanes


cdef inline int vector_length(const real *_, int lanes) noexcept nogil:
    """Elements of the vector that the tiles use for this precision and number of lanes."""
    cdef int length = VECTOR_BYTES // <int>sizeof(real)
    return length if length < lanes else lanes


cdef inline void tile_run(int outputs, int vectors, int lanes, const real *w, ptrdiff_t wk, const int32_t *off,
                          int taps, const real *x, ptrdiff_t xs, real *y, const int32_t *yo, ptrdiff_t ys,
                          const real *bias, int start) noexcept nogil:
    if real is double:
        tile_run_f64(outputs, vectors, w, wk, off, taps, x, xs, y, yo, ys, bias, start)
    elif lanes == LANES_SMALL:
        tile_run_f32x8(outputs, vectors, w, wk, off, taps, x, xs, y, yo, ys, bias, start)
    else:
        tile_run_f32(outputs, vectors, w, wk, off, taps, x, xs, y, yo, ys, bias, start)


cdef inline void gradient_run(int outputs, int taps, int lanes, const real *dy, const int32_t *yo, ptrdiff_t ys,
                              const real *x, const int32_t *off, ptrdiff_t xs, int runs, int vectors, real *sums,
                              ptrdiff_t ao) noexcept nogil:
    if real is double:
        gradient_run_f64(outputs, taps, dy, yo, ys, x, off, xs, runs, vectors, sums, ao)
    elif lanes == LANES_SMALL:
        gradient_run_f32x8(outputs, taps, dy, yo, ys, x, off, xs, runs, vectors, sums, ao)
    else:
        gradient_run_f32(outputs, taps, dy, yo, ys, x, off, xs, runs, vectors, sums, ao)


cdef inline real map_sum(const real *map, ptrdiff_t row, int rows, int columns, int lanes) noexcept nogil:
    """Sum over pixels and images of one map of one block: vectors first, their lanes last."""
    cdef int vectors = columns * lanes // vector_length(<real *>NULL, lanes)
    if real is double:
        return map_sum_f64(map, row, rows, vectors)
    elif lanes == LANES_SMALL:
        return map_sum_f32x8(map, row, rows, vectors)
    else:
        return map_sum_f32(map, row, rows, vectors)


cdef inline real all_lanes(const real *v, int lanes) noexcept nogil:
    """Sum over the images of one pixel of one block."""
    return map_sum(v, 0, 1, 1, lanes)


cdef inline int part_start(int total, int most, int i) noexcept nogil:
    """Where part i begins if `total` is cut into as few parts of at most `most` as possible, all nearly equal."""
    cdef int parts = (total + most - 1) // most
    return i * (total // parts) + (i if i < total % parts else total % parts)


cdef inline int part_count(int total, int most) noexcept nogil:
    return (total + most - 1) // most


cdef inline void pack_weights(const real *w, ptrdiff_t w_output, const int32_t *w_tap, int outputs, int taps,
                              real *packed, int threads) noexcept nogil:
    """packed = [tile of outputs][tap][output within the tile], from w[output * w_output + w_tap[tap]]."""
    cdef int t, k, o, first, size
    cdef real *p
    for t in prange(part_count(outputs, TILE), num_threads=threads, schedule="static"):
        first = part_start(outputs, TILE, t)
        size = part_start(outputs, TILE, t + 1) - first
        p = packed + <ptrdiff_t>first * taps
        for k in range(taps):
            for o in range(size):
                p[o] = w[(first + o) * w_output + w_tap[k]]
            p = p + size


cdef struct Grid:
    # How the pixels of one correlation lie in memory, in elements.
    ptrdiff_t x_block
    ptrdiff_t x_row
    ptrdiff_t x_pixel
    ptrdiff_t y_block
    ptrdiff_t y_row
    ptrdiff_t y_pixel
    int blocks
    int rows
    int columns
    int lanes


cdef struct Runs:
    # One row of pixels as `count` runs of `vectors` vectors each.
    int count
    int vectors
    ptrdiff_t x_step
    ptrdiff_t y_step
    ptrdiff_t x_vector
    ptrdiff_t y_vector


cdef inline Runs runs_of(Grid g, int length, int outputs) noexcept nogil:
    """How a row is cut into runs of vectors of `length` elements at equal distances.

    Tiles of few outputs take more vectors than a pixel has: with a stride, they take one vector of all pixels.
    """
    if g.x_pixel == g.lanes and g.y_pixel == g.lanes:      # neighbours in memory: the whole row
        return Runs(1, g.columns * (g.lanes // length), 0, 0, length, length)
    if length == g.lanes or outputs <= 3:
        return Runs(g.lanes // length, g.columns, length, length, g.x_pixel, g.y_pixel)
    return Runs(g.columns, g.lanes // length, g.x_pixel, g.y_pixel, length, length)


cdef inline void correlate(Grid g, const real *x, const real *packed, const int32_t *off, int taps,
                           const int32_t *used, real *y, const int32_t *yo, int outputs, const real *bias, int start,
                           bint rectified, int rows_at_once, int threads) noexcept nogil:
    """y[yo[o] + pixel] = start + sum_k w[k, o] x[off[k] + pixel], for every output o and pixel, cut at 0 if `rectified`.

    Row i needs only the taps used[2 i] .. used[2 i + 1] - 1 (the others meet zeros), or all if `used` is NULL. Work is
    shared out as (block, rows, tiles of outputs); a piece goes through the taps in chunks whose weights and
    pixels stay in the first-level cache, and through all its rows for each chunk.
    """
    cdef int length = vector_length(y, g.lanes)
    cdef Runs run = runs_of(g, length, outputs)
    cdef int chunks = part_count(taps, 144) if taps > 0 else 1
    cdef int tiles = part_count(outputs, TILE)
    cdef int row_parts = part_count(g.rows, rows_at_once)
    cdef int tile_parts = 1
    while g.blocks * row_parts * tile_parts < 4 * threads and tile_parts < tiles:
        tile_parts = tile_parts + 1
    cdef int piece, b, rp, tp, c, t, i, r, first, size, k0, k1, from_tap, to_tap, begin
    cdef int pieces = g.blocks * row_parts * tile_parts
    for piece in prange(pieces, num_threads=threads, schedule="dynamic"):
        tp = piece % tile_parts
        rp = piece // tile_parts % row_parts
        b = piece // tile_parts // row_parts
        for c in range(chunks):
            k0 = taps * c // chunks
            k1 = taps * (c + 1) // chunks
            begin = start if c == 0 else START_Y
            if rectified and c == chunks - 1:
                begin = begin | RECTIFY
            for t in range(tiles * tp // tile_parts, tiles * (tp + 1) // tile_parts):
                first = part_start(outputs, TILE, t)
                size = part_start(outputs, TILE, t + 1) - first
                for i in range(g.rows * rp // row_parts, g.rows * (rp + 1) // row_parts):
                    from_tap = k0 if used == NULL else max(k0, used[2 * i])
                    to_tap = k1 if used == NULL else min(k1, used[2 * i + 1])
                    if to_tap <= from_tap:
                        if begin == START_Y:
                            continue
                        to_tap = from_tap
                    for r in range(run.count):
                        tile_run(size, run.vectors, g.lanes,
                                 packed + <ptrdiff_t>first * taps + <ptrdiff_t>from_tap * size, size, off + from_tap,
                                 to_tap - from_tap, x + b * g.x_block + i * g.x_row + r * run.x_step,
                                 run.x_vector, y + b * g.y_block + i * g.y_row + r * run.y_step, yo + first,
                                 run.y_vector, bias + first if bias != NULL else NULL, begin)


cdef inline void correlate_each(Grid g, const real *x, const real *weights, const int32_t *off, const int32_t *starts,
                                real *y, const int32_t *yo, int outputs, const real *bias, int start,
                                int threads) noexcept nogil:
    """`correlate` where every output has taps of its own: off[starts[o] .. starts[o+1]-1], and weights likewise."""
    cdef int length = vector_length(y, g.lanes)
    cdef Runs run = runs_of(g, length, 1)
    cdef int piece, b, o, i, r
    for piece in prange(g.blocks * outputs, num_threads=threads, schedule="dynamic"):
        b = piece // outputs
        o = piece % outputs
        for i in range(g.rows):
            for r in range(run.count):
                tile_run(1, run.vectors, g.lanes, weights + starts[o], 1, off + starts[o], starts[o + 1] - starts[o],
                         x + b * g.x_block + i * g.x_row + r * run.x_step, run.x_vector,
                         y + b * g.y_block + i * g.y_row + r * run.y_step, yo + o, run.y_vector,
                         bias + o if start == START_BIAS else NULL, start)
