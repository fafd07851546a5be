# Typed doors to norm2d.h, each for one row of one map of a block.
from cnncli._fast._microkernel cimport LANES_SMALL
from cnncli._fast._types cimport real

cdef extern from "norm2d.h" nogil:
    void norm_sums_f32(const float *, int, float, double *, double *)
    void norm_sums_f32x8(const float *, int, float, double *, double *)
    void norm_sums_f64(const double *, int, double, double *, double *)
    void norm_sums_f64x8(const double *, int, double, double *, double *)
    void norm_gradient_sums_f32(const float *, const float *, int, float, float, float, int, double *, double *)
    void norm_gradient_sums_f32x8(const float *, const float *, int, float, float, float, int, double *, double *)
    void norm_gradient_sums_f64(const double *, const double *, int, double, double, double, int, double *, double *)
    void norm_gradient_sums_f64x8(const double *, const double *, int, double, double, double, int, double *, double *)
    void norm_apply_f32(const float *, float *, int, float, float, float, int)
    void norm_apply_f32x8(const float *, float *, int, float, float, float, int)
    void norm_apply_f64(const double *, double *, int, double, double, double, int)
    void norm_apply_f64x8(const double *, double *, int, double, double, double, int)
    void norm_gradient_f32(const float *, const float *, float *, int, float, float, float, float, float, int)
    void norm_gradient_f32x8(const float *, const float *, float *, int, float, float, float, float, float, int)
    void norm_gradient_f64(const double *, const double *, double *, int, double, double, double, double, double, int)
    void norm_gradient_f64x8(const double *, const double *, double *, int, double, double, double, double, double, int)


cdef inline void row_sums(int lanes, const real *x, int columns, real centre, double *first, double *second) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            norm_sums_f32x8(x, columns, centre, first, second)
        else:
            norm_sums_f32(x, columns, centre, first, second)
    else:
        if lanes == LANES_SMALL:
            norm_sums_f64x8(x, columns, centre, first, second)
        else:
            norm_sums_f64(x, columns, centre, first, second)


cdef inline void row_gradient_sums(int lanes, const real *x, const real *dy, int columns, real centre, real scale, real shift,
                                   bint rectified, double *first, double *second) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            norm_gradient_sums_f32x8(x, dy, columns, centre, scale, shift, rectified, first, second)
        else:
            norm_gradient_sums_f32(x, dy, columns, centre, scale, shift, rectified, first, second)
    else:
        if lanes == LANES_SMALL:
            norm_gradient_sums_f64x8(x, dy, columns, centre, scale, shift, rectified, first, second)
        else:
            norm_gradient_sums_f64(x, dy, columns, centre, scale, shift, rectified, first, second)


cdef inline void row_apply(int lanes, const real *x, real *y, int columns, real centre, real scale, real shift,
                           bint rectified) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            norm_apply_f32x8(x, y, columns, centre, scale, shift, rectified)
        else:
            norm_apply_f32(x, y, columns, centre, scale, shift, rectified)
    else:
        if lanes == LANES_SMALL:
            norm_apply_f64x8(x, y, columns, centre, scale, shift, rectified)
        else:
            norm_apply_f64(x, y, columns, centre, scale, shift, rectified)


cdef inline void row_gradient(int lanes, const real *x, const real *dy, real *dx, int columns, real centre, real scale,
                              real shift, real level, real slope, bint rectified) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            norm_gradient_f32x8(x, dy, dx, columns, centre, scale, shift, level, slope, rectified)
        else:
            norm_gradient_f32(x, dy, dx, columns, centre, scale, shift, level, slope, rectified)
    else:
        if lanes == LANES_SMALL:
            norm_gradient_f64x8(x, dy, dx, columns, centre, scale, shift, level, slope, rectified)
        else:
            norm_gradient_f64(x, dy, dx, columns, centre, scale, shift, level, slope, rectified)
