"""Batch normalisation over images and pixels: sums per block, merged by the fixed tree, then applied.

A channel is one piece of work, from its sums to its last sample: what the sums have read is in the cache when the
statistics are applied. Only the `n` valid images of the batch count; unused lanes get zeros. Statistics are kept in
double precision. norm2d.h has what is done with one row. Where a batch is divided between processes, each makes the sums
of its own blocks first, and goes on once those of all are there.

References: Ioffe and Szegedy, "Batch normalization", 2015, algorithm 1; Chan, Golub and LeVeque, "Updating formulae
and a pairwise algorithm for computing sample variances", 1979, for the merge.
"""
from cython.parallel cimport prange
from libc.math cimport sqrt

from cnncli._fast._maps cimport same
from cnncli._fast._norm2d cimport row_apply, row_gradient, row_gradient_sums, row_sums
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real


cdef inline int used(int n, int block, int lanes) noexcept nogil:
    return lanes if n - block * lanes >= lanes else n - block * lanes


cdef inline void clear_unused(real *row, int columns, int lanes, int lanes_used) noexcept nogil:
    """Zeros in the lanes without an image."""
    cdef int j, l
    if lanes_used < lanes:
        for j in range(columns):
            for l in range(lanes_used, lanes):
                row[j * lanes + l] = 0


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


cdef void merge(double *mean, double *m2, ptrdiff_t step_of_block, int n, int blocks, int lanes, int pixels) noexcept nogil:
    """mean[0], m2[0] = those of all blocks, which are used up."""
    cdef int b, step = 1
    cdef double delta, left, right
    while step < blocks:
        b = 0
        while b + step < blocks:
            left = <double>step * lanes * pixels
            right = <double>((n if b + 2 * step >= blocks else (b + 2 * step) * lanes) - (b + step) * lanes) * pixels
            delta = mean[(b + step) * step_of_block] - mean[b * step_of_block]
            mean[b * step_of_block] += delta * (right / (left + right))
            m2[b * step_of_block] += m2[(b + step) * step_of_block] + delta * delta * (left * right / (left + right))
            b = b + 2 * step
        step = step * 2


cdef void block_sums(const real *x, const Py_ssize_t *strides, int rows, int columns, int lanes, double *mean, double *m2,
                     ptrdiff_t step_of_block, double *sums, int n, int blocks) noexcept nogil:
    """Of one channel, the mean of every block and the sum of squares of differences from it; sums: 64 doubles."""
    cdef ptrdiff_t item = sizeof(real)
    cdef int b, i, l, lanes_used
    cdef const real *block
    cdef double centre, first
    for b in range(blocks):
        lanes_used = used(n, b, lanes)
        block = x + b * (strides[0] // item)
        centre = block[0]                                # any value of the block: differences stay small
        for l in range(64):
            sums[l] = 0
        for i in range(rows):
            row_sums(lanes, block + i * (strides[2] // item), columns, <real>centre, sums, sums + 32)
        first = lane_tree(sums, lanes_used) / (<double>lanes_used * rows * columns)
        mean[b * step_of_block] = centre + first
        m2[b * step_of_block] = lane_tree(sums + 32, lanes_used) - first * first * lanes_used * rows * columns


def statistics(const real[:, :, :, :, :] x, double[:, ::1] mean, double[:, ::1] variance, double[:, ::1] work, int n,
               int blocks, int threads):
    """What `train` begins with, by itself: statistics of each block, to be merged with those of others.

    x: IN; mean, variance [block, channel]: OUT; work: one row of 64 doubles per channel.
    """
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4], c
    for c in prange(channels, nogil=True, schedule="static",
                    num_threads=team(threads, <double>blocks * channels * rows * columns * lanes)):
        block_sums(&x[0, c, 0, 0, 0], x.strides, rows, columns, lanes, &mean[0, c], &variance[0, c], channels, &work[c, 0],
                   n, blocks)


def train(const real[:, :, :, :, :] x, const real[::1] weight, const real[::1] bias, double[::1] running_mean,
               double[::1] running_var, real[:, :, :, :, :] y, double[:, ::1] mean, double[:, ::1] variance,
               double[:, ::1] work, double eps, double momentum, bint rectified, bint known, int images, int n, int blocks,
               int threads):
    """Normalise by the batch's own statistics, as `normalize` does, and move the running averages towards them.

    If `known`, `statistics` has filled mean and variance for all blocks of the batch, which has `images`; x may then be a
    part of it. x, weight, bias: IN; running_mean, running_var: IN and OUT; y, mean[0], variance[0]: OUT, the other rows
    of these are used up; work: one row of 64 doubles per channel.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4], pixels = rows * columns
    cdef int c
    cdef double values = <double>images * pixels
    for c in prange(channels, nogil=True, schedule="static",
                    num_threads=team(threads, <double>blocks * channels * rows * run)):
        if not known:
            block_sums(&x[0, c, 0, 0, 0], x.strides, rows, columns, lanes, &mean[0, c], &variance[0, c], channels,
                       &work[c, 0], n, blocks)
        merge(&mean[0, c], &variance[0, c], channels, images, (images + lanes - 1) // lanes, lanes, pixels)
        running_mean[c] += momentum * (mean[0, c] - running_mean[c])
        running_var[c] += momentum * (variance[0, c] / (values - 1 if values > 1 else 1) - running_var[c])
        variance[0, c] = variance[0, c] / values
        apply(&x[0, c, 0, 0, 0], &y[0, c, 0, 0, 0], x.strides, y.strides, rows, columns, lanes, mean[0, c],
              variance[0, c] + eps, weight[c], bias[c], rectified, n, blocks)


def normalize(const real[:, :, :, :, :] x, const double[::1] mean, const double[::1] variance, const real[::1] weight,
              const real[::1] bias, real[:, :, :, :, :] y, double eps, bint rectified, int n, int blocks, int threads):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, one of each per channel, cut at 0 if `rectified`.

    All IN but y: OUT.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int c, channels = x.shape[1]
    for c in prange(channels, nogil=True, schedule="static",
                    num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        apply(&x[0, c, 0, 0, 0], &y[0, c, 0, 0, 0], x.strides, y.strides, <int>x.shape[2], <int>x.shape[3],
              <int>x.shape[4], mean[c], variance[c] + eps, weight[c], bias[c], rectified, n, blocks)


cdef void apply(const real *x, real *y, const Py_ssize_t *x_strides, const Py_ssize_t *y_strides, int rows, int columns,
                int lanes, double mean, double variance, real weight, real bias, bint rectified, int n,
                int blocks) noexcept nogil:
    """One channel, normalised."""
    cdef ptrdiff_t item = sizeof(real)
    cdef int b, i, lanes_used
    cdef real *target
    for b in range(blocks):
        lanes_used = used(n, b, lanes)
        for i in range(rows):
            target = y + b * (y_strides[0] // item) + i * (y_strides[2] // item)
            row_apply(lanes, x + b * (x_strides[0] // item) + i * (x_strides[2] // item), target, columns, <real>mean,
                      <real>(weight / sqrt(variance)), bias, rectified)
            clear_unused(target, columns, lanes, lanes_used)


cdef void block_gradient_sums(const real *x, const real *dy, const Py_ssize_t *x_strides, const Py_ssize_t *dy_strides,
                              int rows, int columns, int lanes, double mean, double sigma, real weight, real bias,
                              bint rectified, double *partial, ptrdiff_t channels, double *sums, int n,
                              int blocks) noexcept nogil:
    """Of one channel and every block, the sums of dy and of dy (x - mean); sums: 64 doubles."""
    cdef ptrdiff_t item = sizeof(real)
    cdef int b, i, l, lanes_used
    for b in range(blocks):
        lanes_used = used(n, b, lanes)
        for l in range(64):
            sums[l] = 0
        for i in range(rows):
            row_gradient_sums(lanes, x + b * (x_strides[0] // item) + i * (x_strides[2] // item),
                              dy + b * (dy_strides[0] // item) + i * (dy_strides[2] // item), columns, <real>mean,
                              <real>(weight / sigma), bias, rectified, sums, sums + 32)
        partial[2 * b * channels] = lane_tree(sums, lanes_used)
        partial[(2 * b + 1) * channels] = lane_tree(sums + 32, lanes_used)


def gradient_sums(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, const double[::1] mean,
                  const double[::1] variance, const real[::1] weight, const real[::1] bias, double[:, :, ::1] partial,
                  double[:, ::1] work, double eps, bint rectified, int n, int blocks, int threads):
    """What `backward` begins with, by itself: the sums of each block, to be added to those of others.

    x, dy, mean, variance, weight, bias: IN; partial [block, 2, channel]: OUT; work [channel, 64]: scratch.
    """
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4], c
    for c in prange(channels, nogil=True, schedule="static",
                    num_threads=team(threads, <double>blocks * channels * rows * columns * lanes)):
        block_gradient_sums(&x[0, c, 0, 0, 0], &dy[0, c, 0, 0, 0], x.strides, dy.strides, rows, columns, lanes, mean[c],
                            sqrt(variance[c] + eps), weight[c], bias[c], rectified, &partial[0, 0, c], channels,
                            &work[c, 0], n, blocks)


def backward(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, const double[::1] mean,
             const double[::1] variance, const real[::1] weight, const real[::1] bias, real[:, :, :, :, :] dx,
             real[::1] dweight, real[::1] dbias, double[:, :, ::1] partial, double[:, ::1] work, double eps,
             double count, bint rectified, bint known, int images, int n, int blocks, int threads):
    """Gradients through statistics of `count` values a channel; given ones are those of infinitely many.

    dbias = sum dy, dweight = sum dy xhat, dx = weight / sigma * (dy - dbias / count - xhat dweight / count); if
    `rectified`, dy counts only where the output was positive. If `known`, `gradient_sums` has filled partial for all
    blocks of the batch, which has `images`.

    x, dy, mean, variance, weight, bias: IN; dx (may be None), dweight, dbias: OUT; partial [block, 2, channel], work
    [channel, 64]: scratch.
    """
    cdef int channels = x.shape[1], rows = x.shape[2], columns = x.shape[3], lanes = x.shape[4]
    cdef Py_ssize_t run = same(x.shape, x.strides, dy.shape, dy.strides, sizeof(real))
    cdef int c, b, i, step, lanes_used, of_batch = (images + lanes - 1) // lanes
    cdef bint with_dx = dx is not None
    cdef double sigma
    cdef real scale, centre, level, slope
    for c in prange(channels, nogil=True, schedule="static",
                    num_threads=team(threads, <double>blocks * channels * rows * run)):
        sigma = sqrt(variance[c] + eps)
        if not known:
            block_gradient_sums(&x[0, c, 0, 0, 0], &dy[0, c, 0, 0, 0], x.strides, dy.strides, rows, columns, lanes,
                                mean[c], sigma, weight[c], bias[c], rectified, &partial[0, 0, c], channels, &work[c, 0], n,
                                blocks)
        step = 1
        while step < of_batch:
            b = 0
            while b + step < of_batch:
                partial[b, 0, c] = partial[b, 0, c] + partial[b + step, 0, c]
                partial[b, 1, c] = partial[b, 1, c] + partial[b + step, 1, c]
                b = b + 2 * step
            step = step * 2
        dbias[c] = <real>partial[0, 0, c]
        dweight[c] = <real>(partial[0, 1, c] / sigma)
        if not with_dx:
            continue
        centre = <real>mean[c]
        scale = <real>(weight[c] / sigma)
        level = <real>(partial[0, 0, c] / count)
        slope = <real>(partial[0, 1, c] / (variance[c] + eps) / count)
        for b in range(blocks):
            lanes_used = used(n, b, lanes)
            for i in range(rows):
                row_gradient(lanes, &x[b, c, i, 0, 0], &dy[b, c, i, 0, 0], &dx[b, c, i, 0, 0], columns, centre, scale,
                             bias[c], level, slope, rectified)
                clear_unused(&dx[b, c, i, 0, 0], columns, lanes, lanes_used)
