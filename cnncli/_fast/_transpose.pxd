# Typed doors to transpose.h.
from libc.stdint cimport int32_t

from cnncli._fast._microkernel cimport LANES_SMALL, vector_length
from cnncli._fast._types cimport real

cdef extern from "transpose.h" nogil:
    void transpose_f32(const float *, const int32_t *, int, float *, ptrdiff_t)
    void transpose_f32x8(const float *, const int32_t *, int, float *, ptrdiff_t)
    void transpose_f64(const double *, const int32_t *, int, double *, ptrdiff_t)
    void lane_sums_f32(const float *, int, float *)
    void lane_sums_f32x8(const float *, int, float *)
    void lane_sums_f64(const double *, int, double *)


cdef inline void transpose(int lanes, const real *x, const int32_t *off, int count, real *out,
                           ptrdiff_t row) noexcept nogil:
    """out[l row + i] = x[off[i] + l] for `vector_length(lanes)` lanes and as many i; zeros where i >= count."""
    if real is double:
        transpose_f64(x, off, count, out, row)
    elif lanes == LANES_SMALL:
        transpose_f32x8(x, off, count, out, row)
    else:
        transpose_f32(x, off, count, out, row)


cdef inline void lane_sums(int lanes, const real *x, int count, real *out) noexcept nogil:
    """out[i] = the sum of vector i of `count`, each of `vector_length(lanes)` elements, by a tree of halves."""
    cdef int length = vector_length(x, lanes), i = 0
    while i < count:
        if real is double:
            lane_sums_f64(x + i * length, min(length, count - i), out + i)
        elif lanes == LANES_SMALL:
            lane_sums_f32x8(x + i * length, min(length, count - i), out + i)
        else:
            lane_sums_f32(x + i * length, min(length, count - i), out + i)
        i = i + length
