# What the passes of brightness normalisation share (`brightness.pyx`): the sizes of a call, the power of the energy.
from libc.float cimport DBL_MAX, FLT_MAX
from libc.math cimport pow, powf

from cnncli._fast._microkernel cimport lanes_of
from cnncli._fast._types cimport real

cdef extern from "roots.h" nogil:
    float inverse_root4_f32(float)
    double inverse_root4_f64(double)


cdef struct Job:
    int maps
    int rows
    int columns
    int lanes
    ptrdiff_t x_channel
    ptrdiff_t x_row
    ptrdiff_t y_channel
    ptrdiff_t y_row
    ptrdiff_t dx_channel
    ptrdiff_t dx_row
    double kappa
    double lambda_
    double mu


cdef inline Job job_of(const Py_ssize_t *x, const Py_ssize_t *x_strides, const Py_ssize_t *y,
                       const Py_ssize_t *y_strides, Py_ssize_t item, double kappa, double lambda_, double mu) except *:
    cdef Job g
    g.lanes = lanes_of(x, x_strides, y, y_strides, item)
    if x[1] != y[1] or x[2] != y[2] or x[3] != y[3]:
        raise ValueError("brightness: the arrays differ in shape")
    g.maps, g.rows, g.columns = x[1], x[2], x[3]
    g.x_channel, g.x_row = x_strides[1] // item, x_strides[2] // item
    g.y_channel, g.y_row = y_strides[1] // item, y_strides[2] // item
    g.dx_channel, g.dx_row = g.x_channel, g.x_row
    g.kappa, g.lambda_, g.mu = kappa, lambda_, mu
    return g


cdef inline real inverse_root4(real d) noexcept nogil:
    return inverse_root4_f32(d) if real is float else inverse_root4_f64(d)


cdef inline void divide(Job *g, const real *sums, real *scale, real *slope, ptrdiff_t n) noexcept nogil:
    """scale = d^-mu; slope (unless NULL) = -2 lambda mu d^(-mu-1), 0 where S was cut off. sums: S, may be `scale`."""
    cdef ptrdiff_t j
    cdef real most = <real>FLT_MAX if real is float else <real>DBL_MAX
    cdef real kappa = <real>g.kappa, lambda_ = <real>g.lambda_, factor = <real>(-2 * g.lambda_ * g.mu), r, d
    if slope != NULL:
        for j in range(n):
            slope[j] = <real>0 if sums[j] > most else factor
    for j in range(n):
        d = kappa + lambda_ * (most if sums[j] > most else sums[j])
        scale[j] = most if d > most else d
    if g.mu == 0.75 or g.mu == 0.5:
        for j in range(n):
            scale[j] = inverse_root4(scale[j])
        if slope != NULL:
            for j in range(n):
                r = scale[j] * scale[j]
                slope[j] = slope[j] * (r * r)
        if g.mu == 0.75:
            for j in range(n):
                scale[j] = scale[j] * scale[j] * scale[j]
        else:
            for j in range(n):
                scale[j] = scale[j] * scale[j]
    else:
        if slope != NULL:
            for j in range(n):
                slope[j] = slope[j] / scale[j]
        for j in range(n):
            if g.mu == 1:
                scale[j] = 1 / scale[j]
            else:
                scale[j] = powf(scale[j], <real>-g.mu) if real is float else pow(scale[j], -g.mu)
    if slope != NULL:
        for j in range(n):
            slope[j] = slope[j] * scale[j]
