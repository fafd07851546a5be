# Typed doors to groupnorm.h, each for one row of one map of a block.
from cnncli._fast._microkernel cimport LANES_SMALL
from cnncli._fast._types cimport real

cdef extern from "groupnorm.h" nogil:
    void group_sums_f32(const float *, int, const float *, double *, double *)
    void group_sums_f32x8(const float *, int, const float *, double *, double *)
    void group_sums_f64(const double *, int, const double *, double *, double *)
    void group_sums_f64x8(const double *, int, const double *, double *, double *)
    void group_apply_f32(const float *, float *, int, const float *, const float *, const float *, const float *, int)
    void group_apply_f32x8(const float *, float *, int, const float *, const float *, const float *, const float *, int)
    void group_apply_f64(const double *, double *, int, const double *, const double *, const double *, const double *, int)
    void group_apply_f64x8(const double *, double *, int, const double *, const double *, const double *, const double *, int)
    void group_gradient_sums_f32(const float *, const float *, int, const float *, const float *, const float *, int,
                                 double *, double *)
    void group_gradient_sums_f32x8(const float *, const float *, int, const float *, const float *, const float *, int,
                                   double *, double *)
    void group_gradient_sums_f64(const double *, const double *, int, const double *, const double *, const double *, int,
                                 double *, double *)
    void group_gradient_sums_f64x8(const double *, const double *, int, const double *, const double *, const double *, int,
                                   double *, double *)
    void group_gradient_f32(const float *, const float *, float *, int, const float *, const float *, const float *, int,
                            const float *, const float *)
    void group_gradient_f32x8(const float *, const float *, float *, int, const float *, const float *, const float *, int,
                              const float *, const float *)
    void group_gradient_f64(const double *, const double *, double *, int, const double *, const double *, const double *,
                            int, const double *, const double *)
    void group_gradient_f64x8(const double *, const double *, double *, int, const double *, const double *, const double *,
                              int, const double *, const double *)


cdef inline void row_sums(int lanes, const real *x, int columns, const real *centre, double *first,
                          double *second) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            group_sums_f32x8(x, columns, centre, first, second)
        else:
            group_sums_f32(x, columns, centre, first, second)
    else:
        if lanes == LANES_SMALL:
            group_sums_f64x8(x, columns, centre, first, second)
        else:
            group_sums_f64(x, columns, centre, first, second)


cdef inline void row_apply(int lanes, const real *x, real *y, int columns, const real *mean, const real *scale,
                           const real *weight, const real *bias, int step) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            group_apply_f32x8(x, y, columns, mean, scale, weight, bias, step)
        else:
            group_apply_f32(x, y, columns, mean, scale, weight, bias, step)
    else:
        if lanes == LANES_SMALL:
            group_apply_f64x8(x, y, columns, mean, scale, weight, bias, step)
        else:
            group_apply_f64(x, y, columns, mean, scale, weight, bias, step)


cdef inline void row_gradient_sums(int lanes, const real *x, const real *dy, int columns, const real *mean,
                                   const real *scale, const real *weight, int step, double *first,
                                   double *second) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            group_gradient_sums_f32x8(x, dy, columns, mean, scale, weight, step, first, second)
        else:
            group_gradient_sums_f32(x, dy, columns, mean, scale, weight, step, first, second)
    else:
        if lanes == LANES_SMALL:
            group_gradient_sums_f64x8(x, dy, columns, mean, scale, weight, step, first, second)
        else:
            group_gradient_sums_f64(x, dy, columns, mean, scale, weight, step, first, second)


cdef inline void row_gradient(int lanes, const real *x, const real *dy, real *dx, int columns, const real *mean,
                              const real *scale, const real *weight, int step, const real *level,
                              const real *slope) noexcept nogil:
    if real is float:
        if lanes == LANES_SMALL:
            group_gradient_f32x8(x, dy, dx, columns, mean, scale, weight, step, level, slope)
        else:
            group_gradient_f32(x, dy, dx, columns, mean, scale, weight, step, level, slope)
    else:
        if lanes == LANES_SMALL:
            group_gradient_f64x8(x, dy, dx, columns, mean, scale, weight, step, level, slope)
        else:
            group_gradient_f64(x, dy, dx, columns, mean, scale, weight, step, level, slope)
