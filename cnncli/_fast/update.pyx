"""Optimizer steps on flat vectors: all parameters of a network, their gradients and each of the optimizer's slots.

Segments are the tensors of the network: `ends` their ends within the vector, `rates` and `decays` factors on the learning
rate and the weight decay. All vectors are updated in place.
"""
from cython.parallel cimport prange
from libc.math cimport sqrt
from libc.stdint cimport int64_t

from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef int CHUNK = 16384


cdef inline int64_t chunk_end(int64_t first, int64_t last) noexcept nogil:
    return last if first + CHUNK > last else first + CHUNK


def sgd(real[::1] theta, const real[::1] grad, real[::1] velocity, const int64_t[::1] ends, const double[::1] rates,
        const double[::1] decays, double lr, double momentum, bint nesterov, double weight_decay, int threads):
    """g = grad + decay * theta; v = momentum * v + g; theta -= lr * (g + momentum * v if nesterov else v).

    `velocity` may be None where momentum is 0.
    """
    cdef int segment, piece, pieces
    cdef int64_t first, last, i, start
    cdef real rate, decay, m = <real>momentum, g
    cdef real *t = &theta[0]
    cdef real *v = &velocity[0] if velocity is not None else NULL
    cdef const real *d = &grad[0]
    start = 0
    for segment in range(ends.shape[0]):
        rate = <real>(lr * rates[segment])
        decay = <real>(weight_decay * decays[segment])
        pieces = <int>((ends[segment] - start + CHUNK - 1) // CHUNK)
        for piece in prange(pieces, nogil=True, schedule="static",
                            num_threads=team(threads, <double>(ends[segment] - start))):
            first = start + <int64_t>piece * CHUNK
            last = chunk_end(first, ends[segment])
            if v == NULL:
                for i in range(first, last):
                    t[i] = t[i] - rate * (d[i] + decay * t[i])
            elif nesterov:
                for i in range(first, last):
                    g = d[i] + decay * t[i]
                    v[i] = m * v[i] + g
                    t[i] = t[i] - rate * (g + m * v[i])
            else:
                for i in range(first, last):
                    v[i] = m * v[i] + (d[i] + decay * t[i])
                    t[i] = t[i] - rate * v[i]
        start = ends[segment]


def adam(real[::1] theta, const real[::1] grad, real[::1] first_moment, real[::1] second_moment,
         const int64_t[::1] ends, const double[::1] rates, const double[::1] decays, double lr, double beta1,
         double beta2, double eps, double weight_decay, bint decoupled, int64_t t, int threads):
    """Step number `t` (from 1) of Adam, or of AdamW where `decoupled` (the decay then acts on theta, not on the gradient).

    m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
    theta -= lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps).
    """
    cdef int segment, piece, pieces
    cdef int64_t first, last, i, start
    cdef double correction1 = 1 - beta1 ** t, correction2 = 1 - beta2 ** t
    cdef real rate, decay, shrink, g, b1 = <real>beta1, b2 = <real>beta2, e = <real>eps
    cdef real c1 = <real>(1 - beta1), c2 = <real>(1 - beta2), root = <real>(1 / sqrt(correction2))
    cdef real *p = &theta[0]
    cdef real *m = &first_moment[0]
    cdef real *v = &second_moment[0]
    cdef const real *d = &grad[0]
    start = 0
    for segment in range(ends.shape[0]):
        rate = <real>(lr * rates[segment] / correction1)
        decay = 0 if decoupled else <real>(weight_decay * decays[segment])
        shrink = <real>(1 - lr * rates[segment] * weight_decay * decays[segment]) if decoupled else 1
        pieces = <int>((ends[segment] - start + CHUNK - 1) // CHUNK)
        for piece in prange(pieces, nogil=True, schedule="static",
                            num_threads=team(threads, 4.0 * (ends[segment] - start))):
            first = start + <int64_t>piece * CHUNK
            last = chunk_end(first, ends[segment])
            for i in range(first, last):
                g = d[i] + decay * p[i]
                m[i] = b1 * m[i] + c1 * g
                v[i] = b2 * v[i] + c2 * g * g
                p[i] = shrink * p[i] - rate * m[i] / (<real>sqrt(v[i]) * root + e)
        start = ends[segment]
