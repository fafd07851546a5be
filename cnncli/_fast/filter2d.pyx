"""Fixed separable filters of maps: blurs, derivatives, subsampling, and their adjoints.

Every map is y = R x C^T with the sparse matrices R and C of `_bands.pxd`. A row of y is one combination of rows of x,
which stays in the first-level cache while its columns are combined. Work is shared out by (block, channel).
"""
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t

from cnncli._fast._bands cimport Band, band_of, filter_row
from cnncli._fast._microkernel cimport lanes_of
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real


def scratch_size(int width, int lanes, int threads):
    """Elements of scratch: two rows for each thread."""
    return 2 * threads * width * lanes


def separable(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, const int32_t[::1] row_index,
              const double[::1] row_weight, const int32_t[::1] column_index, const double[::1] column_weight,
              real[::1] scratch, bint add, int blocks, int threads):
    """y = R x C^T, or with `add` y += R x C^T.

    Parameters
    ----------
    x : IN
    y : OUT
    row_index, row_weight, column_index, column_weight : IN
        R and C, see `_bands.pxd`.
    scratch : work space of `scratch_size` elements for the wider of x and y
    """
    cdef int lanes = lanes_of(x.shape, x.strides, y.shape, y.strides, sizeof(real))
    cdef int piece, b, c, i, j, height = y.shape[2], width = y.shape[3], channels = x.shape[1], columns = x.shape[3]
    if y.shape[1] != channels or min(x.shape[0], y.shape[0]) < blocks:
        raise ValueError("filter2d: input and output differ in shape, that is in maps or blocks")
    cdef Band rows = band_of(row_index, row_weight, height), across = band_of(column_index, column_weight, width)
    cdef ptrdiff_t x_row = x.strides[2] // <ptrdiff_t>sizeof(real), size = max(columns, width) * lanes
    cdef real *line
    cdef real *sums
    cdef real *target
    for piece in prange(blocks * channels, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * channels * x.shape[2] * columns * lanes)):
        b = piece // channels
        c = piece % channels
        line = &scratch[0] + 2 * threadid() * size
        for i in range(height):
            target = &y[b, c, i, 0, 0]
            sums = line + size if add else target
            filter_row(&x[b, c, 0, 0, 0], x_row, columns, rows, i, across, line, sums, width, lanes)
            if add:
                for j in range(width * lanes):
                    target[j] = target[j] + sums[j]
