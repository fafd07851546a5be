# Typed doors to local.h: tiles whose weights are used where they lie.
from libc.stdint cimport int32_t

from cnncli._fast._microkernel cimport part_count, part_start
from cnncli._fast._types cimport real

cdef extern from "local.h" nogil:
    enum:
        VECTOR_BYTES
        LOCAL_TILE
        PRODUCT_TILE
    void local_tile_f32(int, int, int, const float *, const int32_t *, ptrdiff_t, const float *, ptrdiff_t,
                       const int32_t *, int, float *, ptrdiff_t, const int32_t *, const float *)
    void local_tile_f32x8(int, int, int, const float *, const int32_t *, ptrdiff_t, const float *, ptrdiff_t,
                       const int32_t *, int, float *, ptrdiff_t, const int32_t *, const float *)
    void local_tile_f64(int, int, int, const double *, const int32_t *, ptrdiff_t, const double *, ptrdiff_t,
                       const int32_t *, int, double *, ptrdiff_t, const int32_t *, const double *)
    void product_tile_f32(int, int, const float *, const int32_t *, const float *, int, float *)
    void product_tile_f32x8(int, int, const float *, const int32_t *, const float *, int, float *)
    void product_tile_f64(int, int, const double *, const int32_t *, const double *, int, double *)


cdef inline void local_tiles(int outputs, int vectors, int lanes, int blocks, const real *w, const int32_t *wo,
                             ptrdiff_t wk, const real *x, ptrdiff_t x_block, const int32_t *off, int taps, real *y,
                             ptrdiff_t y_block, const int32_t *yo, const real *next) noexcept nogil:
    """y[yo[o] + lane] += sum_k w[wo[o] + k wk] x[off[k] + lane], in tiles of outputs; a pixel has `vectors` vectors.

    Meanwhile as many weights are fetched from `next` on: without that a pass waits for memory half of its time.
    """
    cdef int t, first, size
    for t in range(part_count(outputs, LOCAL_TILE)):
        first = part_start(outputs, LOCAL_TILE, t)
        size = part_start(outputs, LOCAL_TILE, t + 1) - first
        if real is double:
            local_tile_f64(size, vectors, blocks, w, wo + first, wk, x, x_block, off, taps, y, y_block, yo + first,
                           next + first * taps)
        elif lanes == 8:
            local_tile_f32x8(size, vectors, blocks, w, wo + first, wk, x, x_block, off, taps, y, y_block, yo + first,
                             next + first * taps)
        else:
            local_tile_f32(size, vectors, blocks, w, wo + first, wk, x, x_block, off, taps, y, y_block, yo + first,
                           next + first * taps)


cdef inline void product_tiles(int taps, int vectors, int lanes, const real *x, const int32_t *off, const real *d,
                               ptrdiff_t row, real *out) noexcept nogil:
    """out[k row + o] = sum_lane x[off[k] + lane] d[lane row + o], in tiles of taps; a row has `vectors` vectors."""
    cdef int t, first, size
    for t in range(part_count(taps, PRODUCT_TILE)):
        first = part_start(taps, PRODUCT_TILE, t)
        size = part_start(taps, PRODUCT_TILE, t + 1) - first
        if real is double:
            product_tile_f64(size, vectors, x, off + first, d, lanes, out + first * row)
        elif lanes == 8:
            product_tile_f32x8(size, vectors, x, off + first, d, lanes, out + first * row)
        else:
            product_tile_f32(size, vectors, x, off + first, d, lanes, out + first * row)
