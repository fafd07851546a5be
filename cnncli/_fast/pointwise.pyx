"""Functions of one element: activations, rectifiers and gains (pointwise.h lists them and their numbers `a` and `s`).

Every function walks over (block, channel) in parallel and over rows that are contiguous runs of columns x lanes.
Forward, x and y may be the same memory, backward any of the three.
"""
from cython.parallel cimport prange

from cnncli._fast._maps cimport same
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._types cimport real

cdef extern from "pointwise.h" nogil:
    void pointwise_f32(int, const float *, float *, ptrdiff_t, float, float)
    void pointwise_f64(int, const double *, double *, ptrdiff_t, double, double)
    void pointwise_backward_f32(int, const float *, const float *, float *, ptrdiff_t, float, float)
    void pointwise_backward_f64(int, const double *, const double *, double *, ptrdiff_t, double, double)
    void pointwise_by_parameter_f32(int, const float *, const float *, ptrdiff_t, int, float, double *)
    void pointwise_by_parameter_f64(int, const double *, const double *, ptrdiff_t, int, double, double *)
    float exp_f32(float)
    float log1p_f32(float)
    double lane_tree(double *, int)


cdef inline void apply(int function, const real *x, real *y, ptrdiff_t y_row, ptrdiff_t x_row, Py_ssize_t rows,
                       ptrdiff_t run, real a, real s) noexcept nogil:
    """y = f(x) on one map."""
    cdef Py_ssize_t i
    for i in range(rows):
        if real is float:
            pointwise_f32(function, x + i * x_row, y + i * y_row, run, a, s)
        else:
            pointwise_f64(function, x + i * x_row, y + i * y_row, run, a, s)


cdef inline void apply_backward(int function, const real *v, const real *dy, real *dx, ptrdiff_t v_row, ptrdiff_t dy_row,
                                ptrdiff_t dx_row, Py_ssize_t rows, ptrdiff_t run, real a, real s) noexcept nogil:
    """dx = dy f'(x) on one map; rows are so many bytes apart."""
    cdef Py_ssize_t i
    for i in range(rows):
        if real is float:
            pointwise_backward_f32(function, <const float *>(<const char *>v + i * v_row),
                                   <const float *>(<const char *>dy + i * dy_row), <float *>(<char *>dx + i * dx_row),
                                   run, a, s)
        else:
            pointwise_backward_f64(function, <const double *>(<const char *>v + i * v_row),
                                   <const double *>(<const char *>dy + i * dy_row), <double *>(<char *>dx + i * dx_row),
                                   run, a, s)


def forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, int function, double a, double s, int blocks,
            int threads):
    """y = f(x) with the numbers a and s. x: IN; y: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef ptrdiff_t x_row = x.strides[2] // <ptrdiff_t>sizeof(real), y_row = y.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int piece, channels = x.shape[1]
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        apply(function, &x[piece // channels, piece % channels, 0, 0, 0],
              &y[piece // channels, piece % channels, 0, 0, 0], y_row, x_row, x.shape[2], run, <real>a, <real>s)


def backward(const real[:, :, :, :, :] v, const real[:, :, :, :, :] dy, real[:, :, :, :, :] dx, int function,
             double a, double s, int blocks, int threads):
    """dx = dy f'(x), where v is x, or f(x) for the functions of which pointwise.h says so. v, dy: IN; dx: OUT."""
    cdef Py_ssize_t run = same(v.shape, v.strides, dy.shape, dy.strides, sizeof(real))
    same(dx.shape, dx.strides, dy.shape, dy.strides, sizeof(real))
    cdef int piece, b, c, channels = v.shape[1]
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * v.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        apply_backward(function, &v[b, c, 0, 0, 0], &dy[b, c, 0, 0, 0], &dx[b, c, 0, 0, 0], v.strides[2], dy.strides[2],
                       dx.strides[2], v.shape[2], run, <real>a, <real>s)


def forward_with(const real[::1] weight, const real[:, :, :, :, :] x, real[:, :, :, :, :] y, int function, int blocks,
                 int threads):
    """y = f(x) with one number a, or one for each channel. weight, x: IN; y: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef ptrdiff_t x_row = x.strides[2] // <ptrdiff_t>sizeof(real), y_row = y.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int piece, channels = x.shape[1], step = 1 if weight.shape[0] > 1 else 0
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        apply(function, &x[piece // channels, piece % channels, 0, 0, 0],
              &y[piece // channels, piece % channels, 0, 0, 0], y_row, x_row, x.shape[2], run,
              weight[piece % channels * step], <real>0)


def backward_with(const real[::1] weight, const real[:, :, :, :, :] v, const real[:, :, :, :, :] dy,
                  real[:, :, :, :, :] dx, int function, int blocks, int threads):
    """dx = dy f'(x) as `backward` has it, with one number a, or one for each channel. weight, v, dy: IN; dx: OUT."""
    cdef Py_ssize_t run = same(v.shape, v.strides, dy.shape, dy.strides, sizeof(real))
    same(dx.shape, dx.strides, dy.shape, dy.strides, sizeof(real))
    cdef int piece, b, c, channels = v.shape[1], step = 1 if weight.shape[0] > 1 else 0
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * v.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        apply_backward(function, &v[b, c, 0, 0, 0], &dy[b, c, 0, 0, 0], &dx[b, c, 0, 0, 0], v.strides[2], dy.strides[2],
                       dx.strides[2], v.shape[2], run, weight[c * step], <real>0)


cdef double parameter_gradient_of_map(const real *x, const real *dy, ptrdiff_t x_row, ptrdiff_t dy_row, Py_ssize_t rows,
                                      ptrdiff_t run, int lanes, int function, real a) noexcept nogil:
    cdef double[32] totals
    cdef Py_ssize_t i
    for i in range(lanes):
        totals[i] = 0
    for i in range(rows):
        if real is float:
            pointwise_by_parameter_f32(function, x + i * x_row, dy + i * dy_row, run, lanes, a, totals)
        else:
            pointwise_by_parameter_f64(function, x + i * x_row, dy + i * dy_row, run, lanes, a, totals)
    return lane_tree(totals, lanes)


def parameter_gradient(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, real[:, ::1] partial,
                       real[::1] da, int function, double a, int blocks, int threads):
    """da = sum of dy df/da(x), for each channel or, if da has one element, over all of them in order.

    x, dy: IN; partial [block, channel]: scratch; da: OUT.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef ptrdiff_t x_row = x.strides[2] // <ptrdiff_t>sizeof(real), dy_row = dy.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int piece, b, c, channels = x.shape[1], lanes = x.shape[4]
    cdef double total
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        partial[b, c] = <real>parameter_gradient_of_map(&x[b, c, 0, 0, 0], &dy[b, c, 0, 0, 0], x_row, dy_row, x.shape[2],
                                                        run, lanes, function, <real>a)
    with nogil:
        if da.shape[0] < channels:
            for b in range(blocks):
                total = 0
                for c in range(channels):
                    total += partial[b, c]
                partial[b, 0] = <real>total
        add_blocks(&partial[0, 0], channels, blocks, 1)
        for c in range(<int>da.shape[0]):
            da[c] = partial[0, c]


def exponential(const float[::1] x, float[::1] y):
    """y = exp(x) as the float kernels compute it. x: IN; y: OUT."""
    cdef Py_ssize_t i
    for i in range(x.shape[0]):
        y[i] = exp_f32(x[i])


def log_one_plus(const float[::1] x, float[::1] y):
    """y = ln(1 + x) for 0 <= x <= 1 as the float kernels compute it. x: IN; y: OUT."""
    cdef Py_ssize_t i
    for i in range(x.shape[0]):
        y[i] = log1p_f32(x[i])
