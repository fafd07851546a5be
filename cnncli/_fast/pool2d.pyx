"""Max and average pooling over windows that may overlap or hang over the edge; only samples inside the map count.

Shapes: x [block, channel, row, column, lane], y likewise with the pooled size. Work is shared out by (block, channel);
pool2d.h has what is done with one window.
"""
from cython.parallel cimport prange
from libc.stdint cimport uint16_t
from libc.string cimport memset

from cnncli._fast._microkernel cimport lanes_of
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef extern from "pool2d.h" nogil:
    void max_window_f32(int, const float *, ptrdiff_t, int, int, int, int, int, float *, uint16_t *)
    void max_window_f64(int, const double *, ptrdiff_t, int, int, int, int, int, double *, uint16_t *)
    void max_window_backward_f32(int, const float *, const uint16_t *, int, float *, ptrdiff_t, int, int, int, int)
    void max_window_backward_f64(int, const double *, const uint16_t *, int, double *, ptrdiff_t, int, int, int, int)
    void avg_window_f32(int, const float *, ptrdiff_t, int, int, float *)
    void avg_window_f64(int, const double *, ptrdiff_t, int, int, double *)
    void avg_window_backward_f32(int, const float *, int, float *, ptrdiff_t, int, int)
    void avg_window_backward_f64(int, const double *, int, double *, ptrdiff_t, int, int)


cdef inline int low(int start) noexcept nogil:
    return -start if start < 0 else 0


cdef inline int high(int start, int size, int limit) noexcept nogil:
    return limit - start if start + size > limit else size


cdef inline int covered(int kernel, int stride, int padding, int windows, int limit) noexcept nogil:
    """Samples of an axis that windows lying edge to edge cover; 0 if they overlap or leave gaps."""
    return min(windows * stride - padding, limit) if kernel == stride else 0


cdef inline void clear(real *dx, ptrdiff_t row, int rows, int columns, int lanes, int covered_h,
                       int covered_w) noexcept nogil:
    """dx = 0 outside the first covered_h x covered_w samples of a map."""
    cdef int i, first
    for i in range(rows):
        first = covered_w if i < covered_h else 0
        memset(dx + i * row + first * lanes, 0, sizeof(real) * <size_t>(columns - first) * lanes)


def max_forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, uint16_t[:, :, :, :, ::1] place, int kernel_h,
                int kernel_w, int stride_h, int stride_w, int padding_h, int padding_w, bint rectified, int blocks,
                int threads):
    """y = max over the window; place = its position in the window, the first in row-major order; NaN wins.

    With `rectified` y is cut at 0, and a maximum that does not lie above it has no place.

    x: IN; y, place: OUT.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int piece, b, c, i, j, r, s, p0, p1, q0, q1, channels = x.shape[1]
    cdef ptrdiff_t row = x.strides[2] // <ptrdiff_t>sizeof(real)
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * x.shape[1] * x.shape[2] * x.shape[3] * lanes)):
        b = piece // channels
        c = piece % channels
        for i in range(y.shape[2]):
            r = i * stride_h - padding_h
            p0 = low(r)
            p1 = high(r, kernel_h, <int>x.shape[2])
            for j in range(y.shape[3]):
                s = j * stride_w - padding_w
                q0 = low(s)
                q1 = high(s, kernel_w, <int>x.shape[3])
                if real is float:
                    max_window_f32(lanes, &x[b, c, r + p0, s + q0, 0], row, p1 - p0, q1 - q0, p0 * kernel_w + q0,
                                   kernel_w, rectified, &y[b, c, i, j, 0], &place[b, c, i, j, 0])
                else:
                    max_window_f64(lanes, &x[b, c, r + p0, s + q0, 0], row, p1 - p0, q1 - q0, p0 * kernel_w + q0,
                                   kernel_w, rectified, &y[b, c, i, j, 0], &place[b, c, i, j, 0])


def max_backward(const real[:, :, :, :, :] dy, const uint16_t[:, :, :, :, ::1] place, real[:, :, :, :, :] dx,
                 int kernel_h, int kernel_w, int stride_h, int stride_w, int padding_h, int padding_w, int blocks,
                 int threads):
    """dx = dy at the place of each maximum, added up where windows overlap. dy, place: IN; dx: OUT."""
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int piece, b, c, i, j, r, s, p0, p1, q0, q1, channels = dx.shape[1]
    cdef ptrdiff_t row = dx.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int covered_h = covered(kernel_h, stride_h, padding_h, <int>dy.shape[2], <int>dx.shape[2])
    cdef int covered_w = covered(kernel_w, stride_w, padding_w, <int>dy.shape[3], <int>dx.shape[3])
    cdef bint add = covered_h == 0 or covered_w == 0
    if add:
        covered_h = 0
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * dx.shape[1] * dx.shape[2] * dx.shape[3] * lanes)):
        b = piece // channels
        c = piece % channels
        clear(&dx[b, c, 0, 0, 0], row, <int>dx.shape[2], <int>dx.shape[3], lanes, covered_h, covered_w)
        for i in range(dy.shape[2]):
            r = i * stride_h - padding_h
            p0 = low(r)
            p1 = high(r, kernel_h, <int>dx.shape[2])
            for j in range(dy.shape[3]):
                s = j * stride_w - padding_w
                q0 = low(s)
                q1 = high(s, kernel_w, <int>dx.shape[3])
                if real is float:
                    max_window_backward_f32(lanes, &dy[b, c, i, j, 0], &place[b, c, i, j, 0], add,
                                            &dx[b, c, r + p0, s + q0, 0], row, p1 - p0, q1 - q0, p0 * kernel_w + q0,
                                            kernel_w)
                else:
                    max_window_backward_f64(lanes, &dy[b, c, i, j, 0], &place[b, c, i, j, 0], add,
                                            &dx[b, c, r + p0, s + q0, 0], row, p1 - p0, q1 - q0, p0 * kernel_w + q0,
                                            kernel_w)


def avg_forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, int kernel_h, int kernel_w, int stride_h,
                int stride_w, int padding_h, int padding_w, int blocks, int threads):
    """y = mean over the samples of the window that lie inside the map. x: IN; y: OUT."""
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int piece, b, c, i, j, r, s, p0, p1, q0, q1, channels = x.shape[1]
    cdef ptrdiff_t row = x.strides[2] // <ptrdiff_t>sizeof(real)
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * x.shape[1] * x.shape[2] * x.shape[3] * lanes)):
        b = piece // channels
        c = piece % channels
        for i in range(y.shape[2]):
            r = i * stride_h - padding_h
            p0 = low(r)
            p1 = high(r, kernel_h, <int>x.shape[2])
            for j in range(y.shape[3]):
                s = j * stride_w - padding_w
                q0 = low(s)
                q1 = high(s, kernel_w, <int>x.shape[3])
                if real is float:
                    avg_window_f32(lanes, &x[b, c, r + p0, s + q0, 0], row, p1 - p0, q1 - q0, &y[b, c, i, j, 0])
                else:
                    avg_window_f64(lanes, &x[b, c, r + p0, s + q0, 0], row, p1 - p0, q1 - q0, &y[b, c, i, j, 0])


def avg_backward(const real[:, :, :, :, :] dy, real[:, :, :, :, :] dx, int kernel_h, int kernel_w, int stride_h,
                 int stride_w, int padding_h, int padding_w, int blocks, int threads):
    """dx = each window's dy spread evenly over its samples, added up where windows overlap. dy: IN; dx: OUT."""
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int piece, b, c, i, j, r, s, p0, p1, q0, q1, channels = dx.shape[1]
    cdef ptrdiff_t row = dx.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int covered_h = covered(kernel_h, stride_h, padding_h, <int>dy.shape[2], <int>dx.shape[2])
    cdef int covered_w = covered(kernel_w, stride_w, padding_w, <int>dy.shape[3], <int>dx.shape[3])
    cdef bint add = covered_h == 0 or covered_w == 0
    if add:
        covered_h = 0
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * dx.shape[1] * dx.shape[2] * dx.shape[3] * lanes)):
        b = piece // channels
        c = piece % channels
        clear(&dx[b, c, 0, 0, 0], row, <int>dx.shape[2], <int>dx.shape[3], lanes, covered_h, covered_w)
        for i in range(dy.shape[2]):
            r = i * stride_h - padding_h
            p0 = low(r)
            p1 = high(r, kernel_h, <int>dx.shape[2])
            for j in range(dy.shape[3]):
                s = j * stride_w - padding_w
                q0 = low(s)
                q1 = high(s, kernel_w, <int>dx.shape[3])
                if real is float:
                    avg_window_backward_f32(lanes, &dy[b, c, i, j, 0], add, &dx[b, c, r + p0, s + q0, 0], row, p1 - p0,
                                            q1 - q0)
                else:
                    avg_window_backward_f64(lanes, &dy[b, c, i, j, 0], add, &dx[b, c, r + p0, s + q0, 0], row, p1 - p0,
                                            q1 - q0)
