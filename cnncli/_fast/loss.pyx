"""Losses: one value per image (double precision), scores for prediction, and the gradient in one pass over classes.

Shapes: z [block, class, 1, 1, lane]; target and losses one element per lane of all blocks. Lanes beyond the `n` valid
images get loss, scores and gradient zero.
"""
from libc.math cimport exp, log
from libc.stdint cimport int32_t

from cnncli._fast._maps cimport same
from cnncli._fast._types cimport real

cdef extern from "vectormath.h" nogil:
    float exp_f32(float)


def softmax_cross_entropy(const real[:, :, :, :, :] z, const int32_t[::1] target, real[:, :, :, :, :] y,
                          double[::1] losses, double smoothing, int n, int blocks):
    """y = softmax(z) and, where targets are given, losses = log sum exp z - (1 - smoothing) z[target]
    - smoothing mean z.

    z, target (may be None): IN; y, losses: OUT. Targets must lie in 0 .. classes-1.
    """
    cdef int classes = z.shape[1], lanes = same(z.shape, z.strides, y.shape, y.strides, sizeof(real)), b, c, l, image
    cdef real[32] largest
    cdef double[32] total
    cdef double mean
    cdef const real *row
    cdef real *out
    with nogil:
        for b in range(blocks):
            row = &z[b, 0, 0, 0, 0]
            for l in range(lanes):
                largest[l] = row[l]
                total[l] = 0
            for c in range(1, classes):
                row = &z[b, c, 0, 0, 0]
                for l in range(lanes):
                    largest[l] = largest[l] if row[l] <= largest[l] else row[l]
            for c in range(classes):
                row = &z[b, c, 0, 0, 0]
                out = &y[b, c, 0, 0, 0]
                for l in range(lanes):
                    if real is float:
                        out[l] = exp_f32(row[l] - largest[l])
                    else:
                        out[l] = exp(row[l] - largest[l])
                    total[l] += out[l]
            for c in range(classes):
                out = &y[b, c, 0, 0, 0]
                for l in range(lanes):
                    out[l] = <real>(out[l] / total[l]) if b * lanes + l < n else 0
            for l in range(lanes):
                image = b * lanes + l
                if image >= n:
                    losses[image] = 0
                elif target is not None:
                    losses[image] = log(total[l]) + largest[l] - z[b, target[image], 0, 0, l]
                    if smoothing != 0:
                        mean = 0
                        for c in range(classes):
                            mean += z[b, c, 0, 0, l]
                        losses[image] += smoothing * (z[b, target[image], 0, 0, l] - mean / classes)


def softmax_cross_entropy_backward(const real[:, :, :, :, :] y, const int32_t[::1] target, real[:, :, :, :, :] dz,
                                   double smoothing, double scale, int n, int blocks):
    """dz = (y - (1 - smoothing) onehot(target) - smoothing / classes) * scale. y, target: IN; dz: OUT."""
    cdef int classes = y.shape[1], lanes = y.shape[4], b, c, l, image
    cdef double off = smoothing / classes, on = 1 - smoothing + off
    with nogil:
        for b in range(blocks):
            for c in range(classes):
                for l in range(lanes):
                    image = b * lanes + l
                    if image < n:
                        dz[b, c, 0, 0, l] = <real>((y[b, c, 0, 0, l] - (on if target[image] == c else off)) * scale)
                    else:
                        dz[b, c, 0, 0, l] = 0


def cross_entropy(const real[:, :, :, :, :] y, const int32_t[::1] target, double[::1] losses, double smallest, int n,
                  int blocks):
    """losses = -log max(y[target], smallest), NaN where any output is not finite. y, target: IN; losses: OUT."""
    cdef int classes = y.shape[1], lanes = y.shape[4], b, c, l, image
    cdef double p, total
    for b in range(blocks):
        for l in range(lanes):
            image = b * lanes + l
            if image >= n:
                losses[image] = 0
                continue
            total = 0
            for c in range(classes):
                total += y[b, c, 0, 0, l]
            p = y[b, target[image], 0, 0, l]
            losses[image] = 0 * total - log(smallest if p < smallest else p)


def cross_entropy_backward(const real[:, :, :, :, :] y, const int32_t[::1] target, real[:, :, :, :, :] dy,
                           double smallest, double scale, int n, int blocks):
    """dy = -scale / max(y, smallest) for the target class, 0 for the others. y, target: IN; dy: OUT."""
    cdef int classes = y.shape[1], lanes = y.shape[4], b, c, l, image
    cdef double p
    for b in range(blocks):
        for c in range(classes):
            for l in range(lanes):
                image = b * lanes + l
                p = y[b, c, 0, 0, l]
                dy[b, c, 0, 0, l] = (<real>(-scale / (smallest if p < smallest else p))
                                     if image < n and target[image] == c else 0)


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


# Targets that are shared between classes: the loss is the sum over classes of their share times the loss of that class.


def softmax_cross_entropy_shared(const real[:, :, :, :, :] z, const real[:, :, :, :, :] y,
                                 const real[:, :, :, :, :] shares, double[::1] losses, double smoothing, int n,
                                 int blocks):
    """losses = -sum_c t log y with t = (1 - smoothing) shares + smoothing mean shares. z, y = softmax(z), shares: IN;
    losses: OUT."""
    cdef int classes = z.shape[1], lanes = z.shape[4], b, c, l, image, best
    cdef double share, total, weighted, sum_z
    for b in range(blocks):
        for l in range(lanes):
            image, best = b * lanes + l, 0
            total = weighted = sum_z = 0
            if image < n:
                for c in range(classes):
                    share = shares[b, c, 0, 0, l]
                    total += share
                    weighted += share * z[b, c, 0, 0, l]
                    sum_z += z[b, c, 0, 0, l]
                    if z[b, c, 0, 0, l] > z[b, best, 0, 0, l]:
                        best = c
                weighted = (1 - smoothing) * weighted + smoothing * total * sum_z / classes
                total *= z[b, best, 0, 0, l] - log(y[b, best, 0, 0, l])
            losses[image] = total - weighted


def softmax_cross_entropy_shared_backward(const real[:, :, :, :, :] y, const real[:, :, :, :, :] shares,
                                          real[:, :, :, :, :] dz, double smoothing, double scale, int n, int blocks):
    """dz = (y sum t - t) * scale, t as before. y, shares: IN; dz: OUT."""
    cdef int classes = y.shape[1], lanes = y.shape[4], b, c, l
    cdef double[32] total
    for b in range(blocks):
        for l in range(lanes):
            total[l] = 0
        for c in range(classes):
            for l in range(lanes):
                total[l] += shares[b, c, 0, 0, l]
        for c in range(classes):
            for l in range(lanes):
                dz[b, c, 0, 0, l] = 0 if b * lanes + l >= n else <real>(scale * (
                    total[l] * (y[b, c, 0, 0, l] - smoothing / classes) - (1 - smoothing) * shares[b, c, 0, 0, l]))


def cross_entropy_shared(const real[:, :, :, :, :] y, const real[:, :, :, :, :] shares, double[::1] losses,
                         double smallest, int n, int blocks):
    """losses = -sum_c shares log max(y, smallest), NaN where any output is not finite. y, shares: IN; losses: OUT."""
    cdef int classes = y.shape[1], lanes = y.shape[4], b, c, l, image
    cdef double p, total
    for b in range(blocks):
        for l in range(lanes):
            image, total = b * lanes + l, 0
            if image < n:
                for c in range(classes):
                    p = y[b, c, 0, 0, l]
                    total += 0 * p - shares[b, c, 0, 0, l] * log(smallest if p < smallest else p)
            losses[image] = total


def cross_entropy_shared_backward(const real[:, :, :, :, :] y, const real[:, :, :, :, :] shares,
                                  real[:, :, :, :, :] dy, double smallest, double scale, int n, int blocks):
    """dy = -scale * shares / max(y, smallest). y, shares: IN; dy: OUT."""
    cdef int classes = y.shape[1], lanes = y.shape[4], b, c, l
    cdef double p
    for b in range(blocks):
        for c in range(classes):
            for l in range(lanes):
                p = y[b, c, 0, 0, l]
                dy[b, c, 0, 0, l] = (<real>(-scale * shares[b, c, 0, 0, l] / (smallest if p < smallest else p))
                                     if b * lanes + l < n else 0)


def squared_error_shared(const real[:, :, :, :, :] z, const real[:, :, :, :, :] shares, double low, double high,
                         double factor, double[::1] losses, int n, int blocks):
    """losses = factor * sum_c (shares (z - high)^2 + (sum shares - shares) (z - low)^2). z, shares: IN; losses: OUT."""
    cdef int classes = z.shape[1], lanes = z.shape[4], b, c, l, image
    cdef double on, off, all_on, all_off, rest
    for b in range(blocks):
        for l in range(lanes):
            image = b * lanes + l
            all_on = all_off = rest = 0
            if image < n:
                for c in range(classes):
                    rest += shares[b, c, 0, 0, l]
                for c in range(classes):
                    on, off = z[b, c, 0, 0, l] - high, z[b, c, 0, 0, l] - low
                    all_on += shares[b, c, 0, 0, l] * on * on
                    all_off += (rest - shares[b, c, 0, 0, l]) * off * off
            losses[image] = factor * (all_on + all_off)


def squared_error_shared_backward(const real[:, :, :, :, :] z, const real[:, :, :, :, :] shares,
                                  real[:, :, :, :, :] dz, double low, double high, double scale, int n, int blocks):
    """dz = 2 * scale * (shares (z - high) + (sum shares - shares) (z - low)). z, shares: IN; dz: OUT."""
    cdef int classes = z.shape[1], lanes = z.shape[4], b, c, l
    cdef double[32] total
    for b in range(blocks):
        for l in range(lanes):
            total[l] = 0
        for c in range(classes):
            for l in range(lanes):
                total[l] += shares[b, c, 0, 0, l]
        for c in range(classes):
            for l in range(lanes):
                dz[b, c, 0, 0, l] = 0 if b * lanes + l >= n else <real>(2 * scale * (
                    total[l] * (z[b, c, 0, 0, l] - low) - shares[b, c, 0, 0, l] * (high - low)))
