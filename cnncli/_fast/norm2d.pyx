"""Batch normalisation over images and pixels, in three steps: sums per block, a merge by the fixed tree, an apply.

Only the `n` valid images of the batch count; unused lanes get zeros. Statistics are kept in double precision.

References: Ioffe and Szegedy, "Batch normalization", 2015, algorithm 1; Chan, Golub and LeVeque, "Updating formulae
and a pairwise algorithm for computing sample variances", 1979, for the merge.
"""
from cython.parallel cimport prange
from libc.math cimport sqrt

from cnncli._fast._maps cimport same
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real


cdef inline int used(int n, int block, int lanes) noexcept nogil:
    return lanes if n - block * lanes >= lanes else n - block * lanes


cdef void lane_totals(const real *x, const real *dy, ptrdiff_t x_row, ptrdiff_t dy_row, int rows, int columns, int lanes,
                      double centre, double *first, double *second) noexcept nogil:
    """Per lane: first += x - centre, second += (x - centre)^2; with dy: first += dy, second += dy (x - centre)."""
    cdef int i, j, l
    cdef real sum1[32]
    cdef real sum2[32]
    cdef real c = <real>centre
    cdef const real *xr
    cdef const real *dr
    for i in range(rows):
        for l in range(lanes):
            sum1[l] = 0
            sum2[l] = 0
        for j in range(columns):
            xr = x + i * x_row + j * lanes
            if dy == NULL:
                for l in range(lanes):
                    sum1[l] += xr[l] - c
                    sum2[l] += (xr[l] - c) * (xr[l] - c)
            else:
                dr = dy + i * dy_row + j * lanes
                for l in range(lanes):
                    sum1[l] += dr[l]
                    sum2[l] += dr[l] * (xr[l] - c)
        for l in range(lanes):
            first[l] += sum1[l]
            second[l] += sum2[l]


cdef double lane_tree(double *v, int used_lanes) noexcept nogil:
    """Sum of the used lanes by a fixed tree of halves over 32."""
    cdef int l, half = 16
    for l in range(used_lanes, 32):
        v[l] = 0
    while half > 0:
        for l in range(half):
            v[l] += v[l + half]
        half = half // 2
    return v[0]


def statistics(const real[:, :, :, :, :] x, double[:, ::1] mean, double[:, ::1] m2, double[:, ::1] work, int n,
               int blocks, int threads):
    """mean[0], m2[0] = mean and sum of squared deviations of each channel; rows 1 .. blocks-1 are used up.

    x: IN; mean, m2: OUT; work: one row of 64 doubles per channel.
    """
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4]
    same(x.shape, x.strides, x.shape, x.strides, sizeof(real))
    cdef ptrdiff_t x_row = x.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int c, b, l, step, lanes_used
    cdef double count, centre, first, delta, left, right
    cdef double *sums
    for c in prange(channels, nogil=True, schedule="static",
                    num_threads=team(threads, <double>blocks * channels * rows * columns * lanes)):
        sums = &work[c, 0]
        for b in range(blocks):
            lanes_used = used(n, b, lanes)
            centre = x[b, c, 0, 0, 0]                    # any value of the block: differences stay small
            for l in range(64):
                sums[l] = 0
            lane_totals(&x[b, c, 0, 0, 0], <const real *>NULL, x_row, 0, rows, columns, lanes, centre, sums, sums + 32)
            count = <double>lanes_used * rows * columns
            first = lane_tree(sums, lanes_used) / count
            mean[b, c] = <double><real>centre + first
            m2[b, c] = lane_tree(sums + 32, lanes_used) - first * first * count
        step = 1
        while step < blocks:
            b = 0
            while b + step < blocks:
                left = <double>step * lanes * rows * columns
                right = <double>((n if b + 2 * step >= blocks else (b + 2 * step) * lanes) - (b + step) * lanes)
                right = right * rows * columns
                delta = mean[b + step, c] - mean[b, c]
                mean[b, c] = mean[b, c] + delta * (right / (left + right))
                m2[b, c] = m2[b, c] + m2[b + step, c] + delta * delta * (left * right / (left + right))
                b = b + 2 * step
            step = step * 2


def normalize(const real[:, :, :, :, :] x, const double[::1] mean, const double[::1] variance, const real[::1] weight,
              const real[::1] bias, real[:, :, :, :, :] y, double eps, int n, int blocks, int threads):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, one of each per channel. All IN but y: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i, j
    cdef int piece, b, c, channels = x.shape[1], lanes = x.shape[4], l, lanes_used
    cdef real scale, centre, shift
    cdef const real *source
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        lanes_used = used(n, b, lanes)
        scale = <real>(weight[c] / sqrt(variance[c] + eps))
        centre = <real>mean[c]
        shift = bias[c]
        for i in range(x.shape[2]):
            source = &x[b, c, i, 0, 0]
            target = &y[b, c, i, 0, 0]
            for j in range(run):
                target[j] = (source[j] - centre) * scale + shift
            if lanes_used < lanes:
                for j in range(x.shape[3]):
                    for l in range(lanes_used, lanes):
                        target[j * lanes + l] = 0


def backward(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, const double[::1] mean,
             const double[::1] variance, const real[::1] weight, real[:, :, :, :, :] dx, real[::1] dweight,
             real[::1] dbias, double[:, :, ::1] partial, double[:, ::1] work, double eps, double count,
             int n, int blocks, int threads):
    """Gradients through statistics of `count` values a channel; given ones are those of infinitely many.

    dbias = sum dy, dweight = sum dy xhat, dx = weight / sigma * (dy - dbias / count - xhat dweight / count).

    x, dy, mean, variance, weight: IN; dx (may be None), dweight, dbias: OUT; partial [block, 2, channel], work
    [channel, 64]: scratch.
    """
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4]
    cdef Py_ssize_t run = same(x.shape, x.strides, dy.shape, dy.strides, sizeof(real)), i, j
    cdef ptrdiff_t x_row = x.strides[2] // <ptrdiff_t>sizeof(real), dy_row = dy.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int c, b, l, step, piece, lanes_used
    cdef bint with_dx = dx is not None
    cdef double *sums
    cdef real scale, centre, level, slope
    cdef const real *source
    cdef const real *delta
    cdef real *target
    for c in prange(channels, nogil=True, schedule="static",
                    num_threads=team(threads, <double>blocks * channels * rows * run)):
        sums = &work[c, 0]
        for b in range(blocks):
            lanes_used = used(n, b, lanes)
            for l in range(64):
                sums[l] = 0
            lane_totals(&x[b, c, 0, 0, 0], &dy[b, c, 0, 0, 0], x_row, dy_row, rows, columns, lanes, mean[c], sums,
                        sums + 32)
            partial[b, 0, c] = lane_tree(sums, lanes_used)
            partial[b, 1, c] = lane_tree(sums + 32, lanes_used)
        step = 1
        while step < blocks:
            b = 0
            while b + step < blocks:
                partial[b, 0, c] = partial[b, 0, c] + partial[b + step, 0, c]
                partial[b, 1, c] = partial[b, 1, c] + partial[b + step, 1, c]
                b = b + 2 * step
            step = step * 2
        dbias[c] = <real>partial[0, 0, c]
        dweight[c] = <real>(partial[0, 1, c] / sqrt(variance[c] + eps))
    if not with_dx:
        return
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * rows * run)):
        b = piece // channels
        c = piece % channels
        lanes_used = used(n, b, lanes)
        scale = <real>(weight[c] / sqrt(variance[c] + eps))
        centre = <real>mean[c]
        level = <real>(partial[0, 0, c] / count)
        slope = <real>(partial[0, 1, c] / (variance[c] + eps) / count)
        for i in range(rows):
            source = &x[b, c, i, 0, 0]
            delta = &dy[b, c, i, 0, 0]
            target = &dx[b, c, i, 0, 0]
            for j in range(run):
                target[j] = (delta[j] - level - (source[j] - centre) * slope) * scale
            if lanes_used < lanes:
                for j in range(columns):
                    for l in range(lanes_used, lanes):
                        target[j * lanes + l] = 0
