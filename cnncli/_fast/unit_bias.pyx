"""A bias of each unit (the "matrix" bias of early networks): maps filled with it, and its gradient."""
from cython.parallel cimport prange

from cnncli._fast._microkernel cimport all_lanes, map_sum
from cnncli._fast._reduce cimport add_blocks, team
from cnncli._fast._types cimport real


def fill(const real[:, :, :] bias, real[:, :, :, :, :] y, int blocks, int threads):
    """y[o, i, j] = bias[o, i, j] for every image. bias: IN; y: OUT."""
    cdef int piece, i, j, l, outputs = y.shape[1], lanes = y.shape[4]
    cdef real *target
    cdef real value
    for piece in prange(blocks * outputs, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * y.shape[1] * y.shape[2] * y.shape[3] * lanes)):
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                value = bias[piece % outputs, i, j]
                target = &y[piece // outputs, piece % outputs, i, j, 0]
                for l in range(lanes):
                    target[l] = value


def backward(const real[:, :, :, :, :] dy, real[:, :, :] dbias, real[::1] scratch, int blocks, int threads):
    """dbias[o, i, j] = sum over images of dy. dy: IN; dbias: OUT; scratch: blocks * units elements."""
    cdef int piece, o, i, j, outputs = dy.shape[1], rows = dy.shape[2], columns = dy.shape[3], lanes = dy.shape[4]
    cdef ptrdiff_t units = <ptrdiff_t>outputs * rows * columns
    cdef int team_size = team(threads, <double>blocks * units * lanes)
    with nogil:
        for piece in prange(blocks * outputs, num_threads=team_size, schedule="static"):
            for i in range(rows):
                for j in range(columns):
                    scratch[<ptrdiff_t>(piece * rows + i) * columns + j] = all_lanes(
                        &dy[piece // outputs, piece % outputs, i, j, 0], lanes)
        add_blocks(&scratch[0], units, blocks, team_size)
        for o in range(outputs):
            for i in range(rows):
                for j in range(columns):
                    dbias[o, i, j] = scratch[<ptrdiff_t>(o * rows + i) * columns + j]


def backward_maps(const real[:, :, :, :, :] dy, real[::1] dbias, real[::1] scratch, int blocks, int threads):
    """dbias[o] = sum over images and pixels of dy[o], for one bias per map. dy: IN; dbias: OUT; scratch: blocks * maps."""
    cdef int piece, outputs = dy.shape[1], rows = dy.shape[2], columns = dy.shape[3], lanes = dy.shape[4], o
    cdef ptrdiff_t row = dy.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int team_size = team(threads, <double>blocks * outputs * rows * columns * lanes)
    with nogil:
        for piece in prange(blocks * outputs, num_threads=team_size, schedule="static"):
            scratch[piece] = map_sum(&dy[piece // outputs, piece % outputs, 0, 0, 0], row, rows, columns, lanes)
        add_blocks(&scratch[0], outputs, blocks, 1)
        for o in range(outputs):
            dbias[o] = scratch[o]
