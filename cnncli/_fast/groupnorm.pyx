"""Normalisation of every image by itself: over groups of its maps, or over all of it.

First sums of each map, then statistics of each group from them in order, then every sample; statistics are those of one
image, so that no order of images matters. Gradients of weights are sums over lanes by a fixed tree, over blocks by
another. A weight belongs to a map (`weights` is 1) or to a pixel of one (the number of pixels). groupnorm.h has what is
done with one row.

References: Ba, Kiros and Hinton, "Layer normalization", 2016, eq 4; Wu and He, "Group normalization", ECCV 2018, eq 7.
"""
from cython.parallel cimport prange
from libc.math cimport sqrt

from cnncli._fast._groupnorm cimport row_apply, row_gradient, row_gradient_sums, row_sums
from cnncli._fast._maps cimport same
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._types cimport real


cdef inline double lane_tree(double *v, int lanes) noexcept nogil:
    """Sum of the lanes by a fixed tree of halves; v is used up."""
    cdef int l, half = lanes // 2
    while half > 0:
        for l in range(half):
            v[l] += v[l + half]
        half = half // 2
    return v[0]


def forward(const real[:, :, :, :, :] x, const real[::1] weight, const real[::1] bias, real[:, :, :, :, :] y,
            double[:, :, :, ::1] sums, real[:, :, :, ::1] centre, int groups, double eps, int blocks, int threads):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, mean and (biased) variance being those of a group.

    x, weight, bias: IN; y, centre [block, 2, group, lane] (mean and 1 / deviation): OUT; sums [block, 2, channel, lane]:
    scratch.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4]
    cdef int members = channels // groups, step = 0 if weight.shape[0] == channels and rows * columns > 1 else 1
    cdef int piece, b, c, g, i, l, at
    cdef double values = <double>members * rows * columns, first, second
    cdef double work = <double>blocks * channels * rows * run
    for piece in prange(blocks * channels, nogil=True, schedule="static", num_threads=team(threads, work)):
        b = piece // channels
        c = piece % channels
        for l in range(lanes):
            sums[b, 0, c, l] = 0
            sums[b, 1, c, l] = 0
        for i in range(rows):                           # around a sample of the group: differences stay small
            row_sums(lanes, &x[b, c, i, 0, 0], columns, &x[b, c // members * members, 0, 0, 0], &sums[b, 0, c, 0],
                     &sums[b, 1, c, 0])
    for piece in prange(blocks * groups, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * lanes)):
        b = piece // groups
        g = piece % groups
        for l in range(lanes):
            first = 0
            second = 0
            for c in range(g * members, (g + 1) * members):
                first = first + sums[b, 0, c, l]
                second = second + sums[b, 1, c, l]
            first = first / values
            second = second / values - first * first
            centre[b, 0, g, l] = <real>(x[b, g * members, 0, 0, l] + first)
            centre[b, 1, g, l] = <real>(1 / sqrt((second if second > 0 else 0) + eps))
    for piece in prange(blocks * channels, nogil=True, schedule="static", num_threads=team(threads, work)):
        b = piece // channels
        c = piece % channels
        g = c // members
        for i in range(rows):
            at = (c * rows + i) * columns if step else c
            row_apply(lanes, &x[b, c, i, 0, 0], &y[b, c, i, 0, 0], columns, &centre[b, 0, g, 0], &centre[b, 1, g, 0],
                      &weight[at], &bias[at], step)


def backward(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, const real[::1] weight,
             const real[:, :, :, ::1] centre, real[:, :, :, :, :] dx, real[::1] dweight, real[::1] dbias,
             double[:, :, :, ::1] sums, real[:, :, :, ::1] change, real[:, :, ::1] partial, int groups, int blocks,
             int threads):
    """dbias = sum dy, dweight = sum dy xhat, dx = (dxhat - mean of dxhat - xhat mean of dxhat xhat) / deviation, where
    dxhat = dy weight and means are over the group.

    x, dy, weight, centre: IN; dx (may be None), dweight, dbias: OUT; sums as in `forward`, change [block, 2, group,
    lane], partial [block, 2, weights]: scratch.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4]
    cdef int members = channels // groups, step = 0 if weight.shape[0] == channels and rows * columns > 1 else 1
    cdef int piece, b, c, g, i, l, at
    cdef ptrdiff_t k, count = weight.shape[0]
    cdef double values = <double>members * rows * columns, first, second
    cdef double work = <double>blocks * channels * rows * run
    cdef bint with_dx = dx is not None
    for piece in prange(blocks * channels, nogil=True, schedule="static", num_threads=team(threads, work)):
        b = piece // channels
        c = piece % channels
        map_gradients(&x[b, c, 0, 0, 0], &dy[b, c, 0, 0, 0], x.strides[2], dy.strides[2], rows, columns, lanes,
                      &centre[b, 0, c // members, 0], &centre[b, 1, c // members, 0], &sums[b, 0, c, 0], &sums[b, 1, c, 0],
                      &weight[c * rows * columns if step else c], step,
                      &partial[b, 0, c * rows * columns if step else c], &partial[b, 1, c * rows * columns if step else c])
    if with_dx:
        for piece in prange(blocks * groups, nogil=True, schedule="static",
                            num_threads=team(threads, <double>blocks * channels * lanes)):
            b = piece // groups
            g = piece % groups
            for l in range(lanes):
                first = 0
                second = 0
                for c in range(g * members, (g + 1) * members):
                    first = first + sums[b, 0, c, l]
                    second = second + sums[b, 1, c, l]
                change[b, 0, g, l] = <real>(first / values)
                change[b, 1, g, l] = <real>(second / values)
        for piece in prange(blocks * channels, nogil=True, schedule="static", num_threads=team(threads, work)):
            b = piece // channels
            c = piece % channels
            g = c // members
            for i in range(rows):
                at = (c * rows + i) * columns if step else c
                row_gradient(lanes, &x[b, c, i, 0, 0], &dy[b, c, i, 0, 0], &dx[b, c, i, 0, 0], columns,
                             &centre[b, 0, g, 0], &centre[b, 1, g, 0], &weight[at], step, &change[b, 0, g, 0],
                             &change[b, 1, g, 0])
    with nogil:
        add_blocks(&partial[0, 0, 0], 2 * count, blocks, threads)
        for k in range(count):
            dbias[k] = partial[0, 0, k]
            dweight[k] = partial[0, 1, k]


cdef void map_gradients(const real *x, const real *dy, ptrdiff_t x_row, ptrdiff_t dy_row, int rows, int columns, int lanes,
                        const real *mean, const real *scale, double *first, double *second, const real *weight, int step,
                        real *dbias, real *dweight) noexcept nogil:
    """Sums of dxhat and of dxhat xhat of each lane of one map, and its share of the gradients of weights."""
    cdef double[32] one
    cdef double[32] two
    cdef real unit = 1
    cdef int i, j, l
    for l in range(lanes):
        first[l] = 0
        second[l] = 0
    for i in range(rows):
        x = <const real *>(<const char *>x + (x_row if i else 0))
        dy = <const real *>(<const char *>dy + (dy_row if i else 0))
        if step:
            row_gradient_sums(lanes, x, dy, columns, mean, scale, weight + i * columns, 1, first, second)
            for j in range(columns):
                for l in range(lanes):
                    one[l] = dy[j * lanes + l]
                    two[l] = dy[j * lanes + l] * (x[j * lanes + l] - mean[l]) * scale[l]
                dbias[i * columns + j] = <real>lane_tree(one, lanes)
                dweight[i * columns + j] = <real>lane_tree(two, lanes)
        else:
            row_gradient_sums(lanes, x, dy, columns, mean, scale, &unit, 0, first, second)
    if not step:
        for l in range(lanes):
            one[l] = first[l]
            two[l] = second[l]
            first[l] = first[l] * weight[0]
            second[l] = second[l] * weight[0]
        dbias[0] = <real>lane_tree(one, lanes)
        dweight[0] = <real>lane_tree(two, lanes)
