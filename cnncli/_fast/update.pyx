"""Optimizer steps on flat vectors: all parameters of a network, their gradients and each of the optimizer's slots; and
what else training does to such vectors.

Segments are the tensors of the network: `ends` their ends within the vector, `rates` and `decays` factors on the learning
rate and the weight decay. All vectors are updated in place.
"""
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int64_t

from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef enum:
    CHUNK = 16384                # elements of one piece of work


cdef inline int segment_of(const int64_t[::1] ends, int64_t place) noexcept nogil:
    cdef int segment = 0
    while ends[segment] <= place:
        segment = segment + 1
    return segment


cdef inline void sgd_run(real *t, const real *d, real *v, int64_t size, real rate, real decay, real m,
                         bint nesterov) noexcept nogil:
    cdef int64_t i
    cdef real g
    if v == NULL:
        for i in range(size):
            t[i] = t[i] - rate * (d[i] + decay * t[i])
    elif nesterov:
        for i in range(size):
            g = d[i] + decay * t[i]
            v[i] = m * v[i] + g
            t[i] = t[i] - rate * (g + m * v[i])
    else:
        for i in range(size):
            v[i] = m * v[i] + (d[i] + decay * t[i])
            t[i] = t[i] - rate * v[i]


def sgd(real[::1] theta, const real[::1] grad, real[::1] velocity, const int64_t[::1] ends, const double[::1] rates,
        const double[::1] decays, double lr, double momentum, bint nesterov, double weight_decay, int threads):
    """g = grad + decay * theta; v = momentum * v + g; theta -= lr * (g + momentum * v if nesterov else v).

    `velocity` may be None where momentum is 0.
    """
    cdef int segment, piece
    cdef int64_t first, last, size = theta.shape[0]
    cdef real *v = &velocity[0] if velocity is not None else NULL
    for piece in prange(<int>((size + CHUNK - 1) // CHUNK), nogil=True, schedule="static",
                        num_threads=team(threads, <double>size)):
        first = <int64_t>piece * CHUNK
        segment = segment_of(ends, first)
        while first < min(<int64_t>(piece + 1) * CHUNK, size):
            last = min(ends[segment], <int64_t>(piece + 1) * CHUNK)
            sgd_run(&theta[first], &grad[first], v + first if v != NULL else NULL, last - first,
                    <real>(lr * rates[segment]), <real>(weight_decay * decays[segment]), <real>momentum, nesterov)
            first = last
            segment = segment + 1


cdef inline void adam_run(real *p, const real *d, real *m, real *v, int64_t size, real rate, real decay, real shrink,
                          real b1, real c1, real b2, real c2, real root, real e) noexcept nogil:
    cdef int64_t i
    cdef real g
    for i in range(size):
        g = d[i] + decay * p[i]
        m[i] = b1 * m[i] + c1 * g
        v[i] = b2 * v[i] + c2 * g * g
        p[i] = shrink * p[i] - rate * m[i] / (<real>sqrt(v[i]) * root + e)


def adam(real[::1] theta, const real[::1] grad, real[::1] first_moment, real[::1] second_moment,
         const int64_t[::1] ends, const double[::1] rates, const double[::1] decays, double lr, double beta1,
         double beta2, double eps, double weight_decay, bint decoupled, int64_t t, int threads):
    """Step number `t` (from 1) of Adam, or of AdamW where `decoupled` (the decay then acts on theta, not on the gradient).

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    theta -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).
    """
    cdef int segment, piece
    cdef int64_t first, last, size = theta.shape[0]
    cdef double correction1 = 1 - beta1 ** t, correction2 = 1 - beta2 ** t, decay
    for piece in prange(<int>((size + CHUNK - 1) // CHUNK), nogil=True, schedule="static",
                        num_threads=team(threads, 4.0 * size)):
        first = <int64_t>piece * CHUNK
        segment = segment_of(ends, first)
        while first < min(<int64_t>(piece + 1) * CHUNK, size):
            last = min(ends[segment], <int64_t>(piece + 1) * CHUNK)
            decay = weight_decay * decays[segment]
            adam_run(&theta[first], &grad[first], &first_moment[first], &second_moment[first], last - first,
                     <real>(lr * rates[segment] / correction1), 0 if decoupled else <real>decay,
                     <real>(1 - lr * rates[segment] * decay) if decoupled else 1, <real>beta1, <real>(1 - beta1),
                     <real>beta2, <real>(1 - beta2), <real>(1 / sqrt(correction2)), <real>eps)
            first = last
            segment = segment + 1


cdef inline void adagrad_run(real *p, const real *d, real *s, int64_t size, real rate, real decay,
                             real e) noexcept nogil:
    cdef int64_t i
    cdef real g
    for i in range(size):
        g = d[i] + decay * p[i]
        s[i] = s[i] + g * g
        p[i] = p[i] - rate * g / (<real>sqrt(s[i]) + e)


def adagrad(real[::1] theta, const real[::1] grad, real[::1] square_sum, const int64_t[::1] ends,
            const double[::1] rates, const double[::1] decays, double lr, double eps, double weight_decay, int threads):
    """g = grad + decay * theta; s += g^2; theta -= lr * g / (sqrt(s) + eps)."""
    cdef int segment, piece
    cdef int64_t first, last, size = theta.shape[0]
    for piece in prange(<int>((size + CHUNK - 1) // CHUNK), nogil=True, schedule="static",
                        num_threads=team(threads, 4.0 * size)):
        first = <int64_t>piece * CHUNK
        segment = segment_of(ends, first)
        while first < min(<int64_t>(piece + 1) * CHUNK, size):
            last = min(ends[segment], <int64_t>(piece + 1) * CHUNK)
            adagrad_run(&theta[first], &grad[first], &square_sum[first], last - first, <real>(lr * rates[segment]),
                        <real>(weight_decay * decays[segment]), <real>eps)
            first = last
            segment = segment + 1


cdef inline void rmsprop_run(real *p, const real *d, real *s, real *m, real *v, int64_t size, real rate, real decay,
                             real a, real c, real e, real momentum) noexcept nogil:
    cdef int64_t i
    cdef real g, spread
    for i in range(size):
        g = d[i] + decay * p[i]
        s[i] = a * s[i] + c * g * g
        spread = s[i]
        if m != NULL:
            m[i] = a * m[i] + c * g
            spread = spread - m[i] * m[i]
            spread = spread if spread > 0 else 0  # rounding
        g = g / (<real>sqrt(spread) + e)
        if v != NULL:
            v[i] = momentum * v[i] + g
            g = v[i]
        p[i] = p[i] - rate * g


def rmsprop(real[::1] theta, const real[::1] grad, real[::1] square_mean, real[::1] mean, real[::1] velocity,
            const int64_t[::1] ends, const double[::1] rates, const double[::1] decays, double lr, double alpha,
            double eps, double momentum, double weight_decay, int threads):
    """g = grad + decay * theta; s = alpha s + (1 - alpha) g^2; d = g / (sqrt(s) + eps); theta -= lr * d.

    With `mean`, m = alpha m + (1 - alpha) g and m^2 is taken off s under the root; with `velocity`,
    v = momentum * v + d is the step instead of d. Either may be None.
    """
    cdef int segment, piece
    cdef int64_t first, last, size = theta.shape[0]
    cdef real *m = &mean[0] if mean is not None else NULL
    cdef real *v = &velocity[0] if velocity is not None else NULL
    for piece in prange(<int>((size + CHUNK - 1) // CHUNK), nogil=True, schedule="static",
                        num_threads=team(threads, 4.0 * size)):
        first = <int64_t>piece * CHUNK
        segment = segment_of(ends, first)
        while first < min(<int64_t>(piece + 1) * CHUNK, size):
            last = min(ends[segment], <int64_t>(piece + 1) * CHUNK)
            rmsprop_run(&theta[first], &grad[first], &square_mean[first], m + first if m != NULL else NULL,
                        v + first if v != NULL else NULL, last - first, <real>(lr * rates[segment]),
                        <real>(weight_decay * decays[segment]), <real>alpha, <real>(1 - alpha), <real>eps,
                        <real>momentum)
            first = last
            segment = segment + 1


cdef inline double squares(const real *d, int64_t size) noexcept nogil:
    cdef double[8] total
    cdef int64_t i
    cdef int j
    for j in range(8):
        total[j] = 0
    for i in range(0, size, 8):  # tensors are padded with zeros to a multiple of 16
        for j in range(8):
            total[j] += <double>d[i + j] * d[i + j]
    return ((total[0] + total[4]) + (total[2] + total[6])) + ((total[1] + total[5]) + (total[3] + total[7]))


def norm(const real[::1] grad, const int64_t[::1] ends, const double[::1] rates, double[::1] partial, int threads):
    """Euclidean norm of all gradients but those of frozen tensors (of rate 0), added up in one order.

    `partial` is work space: a number for each piece of 16384 elements.
    """
    cdef int segment, piece
    cdef int64_t first, last, size = grad.shape[0]
    cdef int pieces = <int>((size + CHUNK - 1) // CHUNK)
    cdef double total = 0
    for piece in prange(pieces, nogil=True, schedule="static", num_threads=team(threads, <double>size)):
        first = <int64_t>piece * CHUNK
        segment = segment_of(ends, first)
        partial[piece] = 0
        while first < min(<int64_t>(piece + 1) * CHUNK, size):
            last = min(ends[segment], <int64_t>(piece + 1) * CHUNK)
            if rates[segment] != 0:
                partial[piece] = partial[piece] + squares(&grad[first], last - first)
            first = last
            segment = segment + 1
    for piece in range(pieces):
        total += partial[piece]
    return sqrt(total)


cdef inline void average_run(const real *p, real *m, int64_t size, real share) noexcept nogil:
    cdef int64_t i
    for i in range(size):
        m[i] = m[i] + share * (p[i] - m[i])


def average(const real[::1] theta, real[::1] mean, double share, int threads):
    """mean += share * (theta - mean)."""
    cdef int piece
    cdef int64_t first, size = theta.shape[0]
    for piece in prange(<int>((size + CHUNK - 1) // CHUNK), nogil=True, schedule="static",
                        num_threads=team(threads, <double>size)):
        first = <int64_t>piece * CHUNK
        average_run(&theta[first], &mean[first], min(<int64_t>CHUNK, size - first), <real>share)


def finite(const real[::1] values):
    """Whether no number is infinite or NaN."""
    cdef int64_t i, size = values.shape[0]
    cdef int broken = 0
    with nogil:
        for i in range(size):
            broken |= values[i] - values[i] != 0    # which is no number there
    return broken == 0
