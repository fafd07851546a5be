# Linear filters of rows and columns as sparse matrices: y[i] = sum of weight[t] x[source[t]], t from start[i] on.
# Borders, strides and the step from a filter to its adjoint are other matrices, never other code (`layers/_bands.py`).
from libc.stdint cimport int32_t

from cnncli._fast._types cimport real

cdef extern from "lanes.h" nogil:
    void weigh_f32(float *, const float *, ptrdiff_t, const int32_t *, const double *, int, int)
    void weigh_f32x8(float *, const float *, ptrdiff_t, const int32_t *, const double *, int, int)
    void weigh_f64(double *, const double *, ptrdiff_t, const int32_t *, const double *, int, int)
    void weigh_f64x8(double *, const double *, ptrdiff_t, const int32_t *, const double *, int, int)
    void add_pixels_f32(float *, const float *, int)
    void add_pixels_f32x8(float *, const float *, int)
    void add_pixels_f64(double *, const double *, int)
    void add_pixels_f64x8(double *, const double *, int)
    void take_off_f32(float *, const float *, const float *, const float *, int)
    void take_off_f32x8(float *, const float *, const float *, const float *, int)
    void take_off_f64(double *, const double *, const double *, const double *, int)
    void take_off_f64x8(double *, const double *, const double *, const double *, int)


cdef struct Band:
    const int32_t *start
    const int32_t *source
    const double *weight


cdef inline Band band_of(const int32_t[::1] index, const double[::1] weight, int outputs) except *:
    """The matrix whose starts and sources stand one after the other in `index`."""
    if index.shape[0] != outputs + 1 + weight.shape[0] or index[outputs] != weight.shape[0]:
        raise ValueError(f"the shape of a filter's matrix is wrong: it has not {outputs} rows")
    cdef Band band = Band(&index[0], &index[0] + outputs + 1, NULL)
    if weight.shape[0] > 0:
        band.weight = &weight[0]
    return band


cdef inline void weigh(real *out, const real *x, ptrdiff_t step, Band band, int i, int pixels,
                       int lanes) noexcept nogil:
    """Row i of the matrix applied to runs of `pixels` pixels that lie `step` apart."""
    cdef int first = band.start[i], taps = band.start[i + 1] - first
    if real is double:
        if lanes == 8:
            weigh_f64x8(out, x, step, band.source + first, band.weight + first, taps, pixels)
        else:
            weigh_f64(out, x, step, band.source + first, band.weight + first, taps, pixels)
    else:
        if lanes == 8:
            weigh_f32x8(out, x, step, band.source + first, band.weight + first, taps, pixels)
        else:
            weigh_f32(out, x, step, band.source + first, band.weight + first, taps, pixels)


cdef inline void add_pixels(const real *row, int columns, int lanes, real *sums) noexcept nogil:
    """sums = the pixels of a row, added up."""
    if real is double:
        if lanes == 8:
            add_pixels_f64x8(sums, row, columns)
        else:
            add_pixels_f64(sums, row, columns)
    else:
        if lanes == 8:
            add_pixels_f32x8(sums, row, columns)
        else:
            add_pixels_f32(sums, row, columns)


cdef inline void take_off(real *y, const real *x, const real *a, const real *b, int columns, int lanes) noexcept nogil:
    """y = (x - a) - b for a row; y may be x."""
    if real is double:
        if lanes == 8:
            take_off_f64x8(y, x, a, b, columns)
        else:
            take_off_f64(y, x, a, b, columns)
    else:
        if lanes == 8:
            take_off_f32x8(y, x, a, b, columns)
        else:
            take_off_f32(y, x, a, b, columns)


cdef inline void filter_row(const real *x, ptrdiff_t x_row, int columns, Band rows, int i, Band across, real *line,
                            real *out, int out_columns, int lanes) noexcept nogil:
    """Row i of (rows x across^T) for a map x of `columns` columns. line: scratch for one row of x."""
    cdef int j
    weigh(line, x, x_row, rows, i, columns, lanes)
    for j in range(out_columns):
        weigh(out + j * lanes, line, lanes, across, j, 1, lanes)
