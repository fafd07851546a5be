"""Losses: one value per image (double precision), scores for prediction, and the gradient in the same pass over classes.

Shapes: z [block, class, 1, 1, lane]; target and losses one element per lane of all blocks. Lanes beyond the `n` valid
images get loss, scores and gradient zero.
"""
from libc.math cimport exp, log
from libc.stdint cimport int32_t

from cnncli._fast._types cimport real


def softmax_cross_entropy(const real[:, :, :, :, :] z, const int32_t[::1] target, real[:, :, :, :, :] y,
                          double[::1] losses, int n, int blocks):
    """y = softmax(z) and, where targets are given, losses = log sum exp z - z[target].

    z, target (may be None): IN; y, losses: OUT. Targets must lie in 0 .. classes-1.
    """
    cdef int classes = z.shape[1], lanes = z.shape[4], b, c, l, image
    cdef double largest, total, e
    with nogil:
        for b in range(blocks):
            for l in range(lanes):
                image = b * lanes + l
                if image >= n:
                    for c in range(classes):
                        y[b, c, 0, 0, l] = 0
                    losses[image] = 0
                    continue
                largest = z[b, 0, 0, 0, l]
                for c in range(1, classes):
                    if not z[b, c, 0, 0, l] <= largest:
                        largest = z[b, c, 0, 0, l]
                total = 0
                for c in range(classes):
                    e = exp(z[b, c, 0, 0, l] - largest)
                    y[b, c, 0, 0, l] = <real>e
                    total += e
                for c in range(classes):
                    y[b, c, 0, 0, l] = <real>(y[b, c, 0, 0, l] / total)
                if target is not None:
                    losses[image] = log(total) + largest - z[b, target[image], 0, 0, l]


def softmax_cross_entropy_backward(const real[:, :, :, :, :] y, const int32_t[::1] target, real[:, :, :, :, :] dz,
                                   double scale, int n, int blocks):
    """dz = (y - onehot(target)) * scale. y, target: IN; dz: OUT."""
    cdef int classes = y.shape[1], lanes = y.shape[4], b, c, l, image
    with nogil:
        for b in range(blocks):
            for c in range(classes):
                for l in range(lanes):
                    image = b * lanes + l
                    if image < n:
                        dz[b, c, 0, 0, l] = <real>((y[b, c, 0, 0, l] - (1 if target[image] == c else 0)) * scale)
                    else:
                        dz[b, c, 0, 0, l] = 0


def squared_error(const real[:, :, :, :, :] z, const int32_t[::1] target, double low, double high, double factor,
                  double[::1] losses, int n, int blocks):
    """losses = factor * sum_c (z - t)^2, where t is `high` for the target class and `low` for the others.

    z, target: IN; losses: OUT.
    """
    cdef int classes = z.shape[1], lanes = z.shape[4], b, c, l, image
    cdef double total, difference
    with nogil:
        for b in range(blocks):
            for l in range(lanes):
                image = b * lanes + l
                total = 0
                if image < n:
                    for c in range(classes):
                        difference = z[b, c, 0, 0, l] - (high if target[image] == c else low)
                        total += difference * difference
                losses[image] = factor * total


def squared_error_backward(const real[:, :, :, :, :] z, const int32_t[::1] target, real[:, :, :, :, :] dz, double low,
                           double high, double scale, int n, int blocks):
    """dz = 2 * scale * (z - t). z, target: IN; dz: OUT."""
    cdef int classes = z.shape[1], lanes = z.shape[4], b, c, l, image
    with nogil:
        for b in range(blocks):
            for c in range(classes):
                for l in range(lanes):
                    image = b * lanes + l
                    if image < n:
                        dz[b, c, 0, 0, l] = <real>(2 * scale * (z[b, c, 0, 0, l]
                                                                - (high if target[image] == c else low)))
                    else:
                        dz[b, c, 0, 0, l] = 0
