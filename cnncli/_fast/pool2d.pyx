"""Max and average pooling over windows that may overlap or hang over the edge; only samples inside the map count.

Shapes: x [block, channel, row, column, lane], y likewise with the pooled size. Work is shared out by (block, channel).
"""
from cython.parallel cimport prange
from libc.stdint cimport uint16_t

from cnncli._fast._microkernel cimport lanes_of
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real


cdef inline int low(int start) noexcept nogil:
    return -start if start < 0 else 0


cdef inline int high(int start, int size, int limit) noexcept nogil:
    return limit - start if start + size > limit else size


def max_forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, uint16_t[:, :, :, :, ::1] place, int kernel_h,
                int kernel_w, int stride_h, int stride_w, int padding_h, int padding_w, int blocks, int threads):
    """y = max over the window; place = its position in the window, the first in row-major order; NaN wins.

    x: IN; y, place: OUT.
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int piece, b, c, i, j, r, s, p0, p1, q0, q1, channels = x.shape[1]
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
                max_window(&x[b, c, r + p0, s + q0, 0], x.strides[2] // <ptrdiff_t>sizeof(real), lanes, p1 - p0,
                           q1 - q0, p0 * kernel_w + q0, kernel_w, &y[b, c, i, j, 0], &place[b, c, i, j, 0])


cdef void max_window(const real *x, ptrdiff_t x_row, int lanes, int rows, int columns, int first, int kernel_w,
                     real *best, uint16_t *where) noexcept nogil:
    cdef int p, q, l
    cdef real value
    cdef uint16_t place
    for l in range(lanes):
        best[l] = x[l]
        where[l] = <uint16_t>first
    for p in range(rows):
        for q in range(columns):
            place = <uint16_t>(first + p * kernel_w + q)
            for l in range(lanes):
                value = x[p * x_row + q * lanes + l]
                if value > best[l] or value != value:
                    best[l] = value
                    where[l] = place


def max_backward(const real[:, :, :, :, :] dy, const uint16_t[:, :, :, :, ::1] place, real[:, :, :, :, :] dx,
                 int kernel_h, int kernel_w, int stride_h, int stride_w, int padding_h, int padding_w, int blocks,
                 int threads):
    """dx = dy at the place of each maximum, added up where windows overlap. dy, place: IN; dx: OUT."""
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int piece, b, c, i, j, l, p, q, r, s, p0, p1, q0, q1, channels = dx.shape[1]
    cdef uint16_t here
    cdef const real *delta
    cdef const uint16_t *where
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * dx.shape[1] * dx.shape[2] * dx.shape[3] * lanes)):
        b = piece // channels
        c = piece % channels
        for i in range(dx.shape[2]):
            target = &dx[b, c, i, 0, 0]
            for l in range(dx.shape[3] * lanes):
                target[l] = 0
        for i in range(dy.shape[2]):
            r = i * stride_h - padding_h
            p0 = low(r)
            p1 = high(r, kernel_h, <int>dx.shape[2])
            for j in range(dy.shape[3]):
                s = j * stride_w - padding_w
                q0 = low(s)
                q1 = high(s, kernel_w, <int>dx.shape[3])
                delta = &dy[b, c, i, j, 0]
                where = &place[b, c, i, j, 0]
                for p in range(p0, p1):
                    for q in range(q0, q1):
                        target = &dx[b, c, r + p, s + q, 0]
                        here = <uint16_t>(p * kernel_w + q)
                        for l in range(lanes):
                            target[l] = target[l] + (delta[l] if where[l] == here else 0)


def avg_forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, int kernel_h, int kernel_w, int stride_h,
                int stride_w, int padding_h, int padding_w, int blocks, int threads):
    """y = mean over the samples of the window that lie inside the map. x: IN; y: OUT."""
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int piece, b, c, i, j, l, p, q, r, s, p0, p1, q0, q1, channels = x.shape[1]
    cdef const real *source
    cdef real *mean
    cdef real share
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
                mean = &y[b, c, i, j, 0]
                share = <real>1 / ((p1 - p0) * (q1 - q0))
                for l in range(lanes):
                    mean[l] = 0
                for p in range(p0, p1):
                    for q in range(q0, q1):
                        source = &x[b, c, r + p, s + q, 0]
                        for l in range(lanes):
                            mean[l] = mean[l] + source[l]
                for l in range(lanes):
                    mean[l] = mean[l] * share


def avg_backward(const real[:, :, :, :, :] dy, real[:, :, :, :, :] dx, int kernel_h, int kernel_w, int stride_h,
                 int stride_w, int padding_h, int padding_w, int blocks, int threads):
    """dx = each window's dy spread evenly over its samples, added up where windows overlap. dy: IN; dx: OUT."""
    cdef int lanes = lanes_of(dy.shape, dy.strides, dx.shape, dx.strides, sizeof(real))
    cdef int piece, b, c, i, j, l, p, q, r, s, p0, p1, q0, q1, channels = dx.shape[1]
    cdef const real *delta
    cdef real *target
    cdef real share
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * dx.shape[1] * dx.shape[2] * dx.shape[3] * lanes)):
        b = piece // channels
        c = piece % channels
        for i in range(dx.shape[2]):
            target = &dx[b, c, i, 0, 0]
            for l in range(dx.shape[3] * lanes):
                target[l] = 0
        for i in range(dy.shape[2]):
            r = i * stride_h - padding_h
            p0 = low(r)
            p1 = high(r, kernel_h, <int>dx.shape[2])
            for j in range(dy.shape[3]):
                s = j * stride_w - padding_w
                q0 = low(s)
                q1 = high(s, kernel_w, <int>dx.shape[3])
                delta = &dy[b, c, i, j, 0]
                share = <real>1 / ((p1 - p0) * (q1 - q0))
                for p in range(p0, p1):
                    for q in range(q0, q1):
                        target = &dx[b, c, r + p, s + q, 0]
                        for l in range(lanes):
                            target[l] = target[l] + delta[l] * share
