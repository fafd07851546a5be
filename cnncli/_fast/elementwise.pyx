"""Pointwise arithmetic on activations: rectifiers, sums and copies of maps, dropout.

Every function walks over (block, channel) in parallel and over rows that are contiguous runs of columns x lanes; x and y may
be the same memory.
"""
from cython.parallel cimport prange
from libc.stdint cimport uint32_t, uint64_t

from cnncli._fast._maps cimport same
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef extern from "philox.h" nogil:
    uint64_t philox(uint32_t key, uint64_t counter)


def leaky_forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, double slope, int blocks, int threads):
    """y = x where x > 0, else slope * x (slope 0: the rectifier; NaN stays NaN). x: IN; y: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i, j
    cdef int piece, channels = x.shape[1]
    cdef real s = <real>slope
    cdef const real *source
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        for i in range(x.shape[2]):
            source = &x[piece // channels, piece % channels, i, 0, 0]
            target = &y[piece // channels, piece % channels, i, 0, 0]
            if s == 0:
                for j in range(run):
                    target[j] = 0 if source[j] < 0 else source[j]
            else:
                for j in range(run):
                    target[j] = s * source[j] if source[j] < 0 else source[j]


def leaky_backward(const real[:, :, :, :, :] y, const real[:, :, :, :, :] dy, real[:, :, :, :, :] dx, double slope,
                   int blocks, int threads):
    """dx = dy where y > 0, else slope * dy (at 0 too). y, dy: IN; dx: OUT."""
    cdef Py_ssize_t run = same(y.shape, y.strides, dy.shape, dy.strides, sizeof(real)), i, j
    same(dx.shape, dx.strides, dy.shape, dy.strides, sizeof(real))
    cdef int piece, channels = y.shape[1]
    cdef real s = <real>slope
    cdef const real *out
    cdef const real *delta
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * y.shape[2] * run)):
        for i in range(y.shape[2]):
            out = &y[piece // channels, piece % channels, i, 0, 0]
            delta = &dy[piece // channels, piece % channels, i, 0, 0]
            target = &dx[piece // channels, piece % channels, i, 0, 0]
            for j in range(run):
                target[j] = delta[j] if out[j] > 0 else s * delta[j]


def copy(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, int blocks, int threads):
    """y = x. x: IN; y: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i, j
    cdef int piece, channels = x.shape[1]
    cdef const real *source
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        for i in range(x.shape[2]):
            source = &x[piece // channels, piece % channels, i, 0, 0]
            target = &y[piece // channels, piece % channels, i, 0, 0]
            for j in range(run):
                target[j] = source[j]


def add(const real[:, :, :, :, :] a, const real[:, :, :, :, :] b, real[:, :, :, :, :] y, int blocks, int threads):
    """y = a + b. a, b: IN; y: OUT, which may be a or b."""
    cdef Py_ssize_t run = same(a.shape, a.strides, y.shape, y.strides, sizeof(real)), i, j
    same(a.shape, a.strides, b.shape, b.strides, sizeof(real))
    cdef int piece, channels = a.shape[1]
    cdef const real *left
    cdef const real *right
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * a.shape[2] * run)):
        for i in range(a.shape[2]):
            left = &a[piece // channels, piece % channels, i, 0, 0]
            right = &b[piece // channels, piece % channels, i, 0, 0]
            target = &y[piece // channels, piece % channels, i, 0, 0]
            for j in range(run):
                target[j] = left[j] + right[j]


def dropout(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, double rate, unsigned int key, unsigned int step,
            int blocks, int threads):
    """y = x / (1 - rate) with probability 1 - rate, else 0; the same call on gradients is its backward pass.

    The choice for an element depends on (key, step, place in the batch) alone: images of the two halves of a block share
    the two words of one draw. x: IN; y: OUT.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i, j, l
    cdef int piece, channels = x.shape[1], lanes = x.shape[4], half = lanes // 2
    cdef real scale = <real>(1 / (1 - rate))
    cdef uint32_t threshold = <uint32_t>(rate * 4294967296.0)
    cdef uint64_t counter, draw, rows = x.shape[2], columns = x.shape[3]
    cdef const real *source
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, 8.0 * blocks * channels * x.shape[2] * run)):
        for i in range(x.shape[2]):
            for j in range(x.shape[3]):
                source = &x[piece // channels, piece % channels, i, j, 0]
                target = &y[piece // channels, piece % channels, i, j, 0]
                counter = (<uint64_t>step << 40) + ((<uint64_t>piece * rows + i) * columns + j) * half
                for l in range(half):
                    draw = philox(key, counter + l)
                    target[l] = source[l] * scale if <uint32_t>draw >= threshold else 0
                    target[l + half] = source[l + half] * scale if <uint32_t>(draw >> 32) >= threshold else 0
