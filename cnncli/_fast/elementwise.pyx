"""Sums, products and copies of maps, and dropout.

Every function walks over (block, channel) in parallel and over rows that are contiguous runs of columns x lanes; x and
y may be the same memory.
"""
from cython.parallel cimport prange
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memmove

from cnncli._fast._maps cimport same
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef extern from "philox.h" nogil:
    uint64_t philox(uint32_t key, uint64_t counter)

cdef extern from "pointwise.h" nogil:
    void add_f32(const float *, const float *, float *, const float *, ptrdiff_t, int)
    void add_f64(const double *, const double *, double *, const double *, ptrdiff_t, int)
    void multiply_f32(const float *, const float *, float *, ptrdiff_t)
    void multiply_f64(const double *, const double *, double *, ptrdiff_t)
    void scale_lanes_f32(const float *, const float *, float *, ptrdiff_t, int)
    void scale_lanes_f64(const double *, const double *, double *, ptrdiff_t, int)
    void product_sums_f32(const float *, const float *, ptrdiff_t, int, double *)
    void product_sums_f64(const double *, const double *, ptrdiff_t, int, double *)


def multiply(const real[:, :, :, :, :] x, const real[:, :, :, :, :] z, real[:, :, :, :, :] y, int blocks, int threads):
    """y = x z, sample by sample, or z having one sample a map for all of it. x, z: IN; y: OUT."""
    cdef bint spread = z.shape[2] == 1 and z.shape[3] == 1
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i
    cdef int piece, b, c, channels = x.shape[1], lanes = x.shape[4]
    if not spread:
        same(x.shape, x.strides, z.shape, z.strides, sizeof(real))
    elif z.shape[1] != channels or z.shape[4] != lanes:
        raise ValueError("the arrays differ in shape")
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        for i in range(x.shape[2]):
            if real is float:
                if spread:
                    scale_lanes_f32(&x[b, c, i, 0, 0], &z[b, c, 0, 0, 0], &y[b, c, i, 0, 0], run, lanes)
                else:
                    multiply_f32(&x[b, c, i, 0, 0], &z[b, c, i, 0, 0], &y[b, c, i, 0, 0], run)
            else:
                if spread:
                    scale_lanes_f64(&x[b, c, i, 0, 0], &z[b, c, 0, 0, 0], &y[b, c, i, 0, 0], run, lanes)
                else:
                    multiply_f64(&x[b, c, i, 0, 0], &z[b, c, i, 0, 0], &y[b, c, i, 0, 0], run)


cdef void sums_of_map(const real *x, const real *z, real *y, ptrdiff_t x_row, ptrdiff_t z_row, Py_ssize_t rows, ptrdiff_t run,
                      int lanes) noexcept nogil:
    cdef double[32] totals
    cdef Py_ssize_t i
    for i in range(lanes):
        totals[i] = 0
    for i in range(rows):
        if real is float:
            product_sums_f32(x + i * x_row, z + i * z_row, run, lanes, totals)
        else:
            product_sums_f64(x + i * x_row, z + i * z_row, run, lanes, totals)
    for i in range(lanes):
        y[i] = <real>totals[i]


def product_sums(const real[:, :, :, :, :] x, const real[:, :, :, :, :] z, real[:, :, :, :, :] y, int blocks, int threads):
    """y = the sum of x z over the pixels of each map of each image. x, z: IN; y [block, channel, 1, 1, lane]: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, z.shape, z.strides, sizeof(real))
    cdef ptrdiff_t x_row = x.strides[2] // <ptrdiff_t>sizeof(real), z_row = z.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int piece, b, c, channels = x.shape[1], lanes = x.shape[4]
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        sums_of_map(&x[b, c, 0, 0, 0], &z[b, c, 0, 0, 0], &y[b, c, 0, 0, 0], x_row, z_row, x.shape[2], run, lanes)


def copy(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, int blocks, int threads):
    """y = x. x: IN; y: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i
    cdef int piece, b, c, channels = x.shape[1]
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        for i in range(x.shape[2]):
            memmove(&y[b, c, i, 0, 0], &x[b, c, i, 0, 0], sizeof(real) * run)


def add(const real[:, :, :, :, :] left, const real[:, :, :, :, :] right, real[:, :, :, :, :] y,
        const real[:, :, :, :, :] positive, bint rectified, int blocks, int threads):
    """y = left + right; with `rectified` cut at 0, and 0 where `positive` is not above 0, unless that is None.

    left, right, positive: IN; y: OUT, which may be any of them.
    """
    cdef Py_ssize_t run = same(left.shape, left.strides, y.shape, y.strides, sizeof(real)), i
    same(left.shape, left.strides, right.shape, right.strides, sizeof(real))
    cdef bint everywhere = positive is None
    if not everywhere:
        same(left.shape, left.strides, positive.shape, positive.strides, sizeof(real))
    cdef int piece, b, c, channels = left.shape[1]
    cdef const real *where
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * left.shape[2] * run)):
        b = piece // channels
        c = piece % channels
        for i in range(left.shape[2]):
            where = NULL if everywhere else &positive[b, c, i, 0, 0]
            if real is float:
                add_f32(&left[b, c, i, 0, 0], &right[b, c, i, 0, 0], &y[b, c, i, 0, 0], where, run, rectified)
            else:
                add_f64(&left[b, c, i, 0, 0], &right[b, c, i, 0, 0], &y[b, c, i, 0, 0], where, run, rectified)


def dropout(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, double rate, unsigned int key, unsigned int step,
            int first, int blocks, int threads):
    """y = x / (1 - rate) with probability 1 - rate, else 0; the same call on gradients is its backward pass.

    The choice for an element depends on (key, step, place in the batch) alone, `first` being the place of x[0] among its
    blocks: images of the two halves of a block share the two words of one draw. x: IN; y: OUT.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i, j, l
    cdef int piece, channels = x.shape[1], lanes = x.shape[4], half = lanes // 2
    cdef real scale = <real>(1 / (1 - rate))
    cdef uint32_t threshold = <uint32_t>(rate * 4294967296.0)
    cdef uint64_t counter, draw, rows = x.shape[2], columns = x.shape[3], start = <uint64_t>first * channels
    cdef const real *source
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, 8.0 * blocks * channels * x.shape[2] * run)):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                source = &x[piece // channels, piece % channels, i, j, 0]
                target = &y[piece // channels, piece % channels, i, j, 0]
                counter = (<uint64_t>step << 40) + (((start + piece) * rows + i) * columns + j) * half
                for l in range(half):
                    draw = philox(key, counter + l)
                    target[l] = source[l] * scale if <uint32_t>draw >= threshold else 0
                    target[l + half] = source[l + half] * scale if <uint32_t>(draw >> 32) >= threshold else 0
