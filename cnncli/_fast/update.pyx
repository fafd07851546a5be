"""Optimizer steps on flat vectors: all parameters of a network, their gradients and each of the optimizer's slots.

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
