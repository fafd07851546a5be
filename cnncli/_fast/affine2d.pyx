"""A coefficient and a bias for every map. Work is shared out by (block, channel)."""
from cython.parallel cimport prange

from cnncli._fast._maps cimport same
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._types cimport real


def forward(const real[:, :, :, :, :] x, const real[::1] weight, const real[::1] bias, real[:, :, :, :, :] y,
            int blocks, int threads):
    """y = weight x + bias, one of each per channel. x, weight, bias: IN; y: OUT."""
    cdef Py_ssize_t run = same(x.shape, x.strides, y.shape, y.strides, sizeof(real)), i, j
    cdef int piece, c, channels = x.shape[1]
    cdef const real *source
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
        c = piece % channels
        for i in range(x.shape[2]):
            source = &x[piece // channels, c, i, 0, 0]
            target = &y[piece // channels, c, i, 0, 0]
            for j in range(run):
                target[j] = source[j] * weight[c] + bias[c]


cdef double lane_tree(double *v) noexcept nogil:
    """Sum of 32 lanes by a fixed tree of halves."""
    cdef int l, half = 16
    while half > 0:
        for l in range(half):
            v[l] += v[l + half]
        half = half // 2
    return v[0]


def backward(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, const real[::1] weight,
             real[:, :, :, :, :] dx, real[::1] dweight, real[::1] dbias, real[:, :, ::1] partial, int blocks,
             int threads):
    """dx = weight dy, dweight = sum dy x, dbias = sum dy.

    x, dy, weight: IN; dx (may be None), dweight, dbias: OUT; partial [block, 2, channel]: scratch.
    """
    cdef Py_ssize_t run = same(x.shape, x.strides, dy.shape, dy.strides, sizeof(real)), i, j
    cdef int piece, b, c, channels = x.shape[1]
    cdef bint with_dx = dx is not None
    cdef const real *delta
    cdef real *target
    if with_dx:
        same(dx.shape, dx.strides, dy.shape, dy.strides, sizeof(real))
    with nogil:
        for piece in prange(blocks * channels, schedule="static",
                            num_threads=team(threads, <double>blocks * channels * x.shape[2] * run)):
            b = piece // channels
            c = piece % channels
            map_sums(&x[b, c, 0, 0, 0], x.strides[2] // <ptrdiff_t>sizeof(real), &dy[b, c, 0, 0, 0],
                     dy.strides[2] // <ptrdiff_t>sizeof(real), <int>x.shape[2], <int>x.shape[3], <int>x.shape[4],
                     &partial[b, 0, c], &partial[b, 1, c])
            if with_dx:
                for i in range(x.shape[2]):
                    delta = &dy[b, c, i, 0, 0]
                    target = &dx[b, c, i, 0, 0]
                    for j in range(run):
                        target[j] = delta[j] * weight[c]
        add_blocks(&partial[0, 0, 0], 2 * channels, blocks, threads)
        for c in range(channels):
            dweight[c] = partial[0, 0, c]
            dbias[c] = partial[0, 1, c]


cdef void map_sums(const real *x, ptrdiff_t x_row, const real *dy, ptrdiff_t dy_row, int rows, int columns, int lanes,
                   real *products, real *deltas) noexcept nogil:
    """Sums of dy x and of dy over one map of one block."""
    cdef int i, j, l
    cdef real product[32]
    cdef real delta[32]
    cdef double sums[64]
    cdef const real *xr
    cdef const real *dr
    for l in range(64):
        sums[l] = 0
    for i in range(rows):
        for l in range(lanes):
            product[l] = 0
            delta[l] = 0
        for j in range(columns):
            xr = x + i * x_row + j * lanes
            dr = dy + i * dy_row + j * lanes
            for l in range(lanes):
                product[l] += dr[l] * xr[l]
                delta[l] += dr[l]
        for l in range(lanes):
            sums[l] += product[l]
            sums[32 + l] += delta[l]
    products[0] = <real>lane_tree(sums)
    deltas[0] = <real>lane_tree(sums + 32)
