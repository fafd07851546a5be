"""Images into lanes: the one place where [image, row, column, channel] becomes [block, channel, row, column, lane]."""
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t, uint16_t

from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

ctypedef fused pixel:
    uint8_t
    uint16_t
    float


cdef void fill(const pixel[:, :, :, ::1] images, const int64_t[::1] indices, const double[::1] scale,
               const double[::1] shift, real[:, :, :, :, :] x, int threads):
    cdef int rows = images.shape[1], columns = images.shape[2], channels = images.shape[3], lanes = x.shape[4]
    cdef int n = indices.shape[0], blocks = (n + lanes - 1) // lanes
    cdef int piece, b, i, j, c, l
    cdef ptrdiff_t pixel_step = x.strides[3] // <ptrdiff_t>sizeof(real)
    cdef const pixel *source
    cdef real *target
    cdef real factor, offset
    for piece in prange(blocks * rows, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * rows * columns * channels * lanes)):
        b = piece // rows
        i = piece % rows
        for l in range(lanes):
            for c in range(channels):
                target = &x[b, c, i, 0, l]
                if b * lanes + l >= n:
                    for j in range(columns):
                        target[j * pixel_step] = 0
                    continue
                source = &images[indices[b * lanes + l], i, 0, c]
                factor = <real>scale[c]
                offset = <real>shift[c]
                for j in range(columns):
                    if pixel is uint8_t:                 # as 16 bits, so that both depths give the same numbers
                        target[j * pixel_step] = <real>(257 * source[j * channels]) * factor + offset
                    else:
                        target[j * pixel_step] = source[j * channels] * factor + offset


def from_images(images, const int64_t[::1] indices, const double[::1] scale, const double[::1] shift,
                real[:, :, :, :, :] x, int threads):
    """x = images[indices] * scale + shift (one of each per channel); the unused lanes of the last block are zero.

    8-bit pixels are taken as 16-bit ones, 257 times as large.

    images [image, row, column, channel] of uint8, uint16 or float32, indices, scale, shift: IN; x: OUT.

    Raises
    ------
    ValueError
        If the images do not have the shape of x, there are more indices than lanes, or one is out of range.
    """
    cdef Py_ssize_t i, count = images.shape[0]
    if (images.shape[1] != x.shape[2] or images.shape[2] != x.shape[3] or images.shape[3] != x.shape[1]
            or scale.shape[0] != x.shape[1] or shift.shape[0] != x.shape[1]
            or indices.shape[0] > x.shape[0] * x.shape[4]):
        raise ValueError("pack: the images do not fit the network's input")
    for i in range(indices.shape[0]):
        if not 0 <= indices[i] < count:
            raise ValueError("pack: there is no image of this index")
    if images.dtype.name == "uint8":
        fill[uint8_t, real](images, indices, scale, shift, x, threads)
    elif images.dtype.name == "uint16":
        fill[uint16_t, real](images, indices, scale, shift, x, threads)
    else:
        fill[float, real](images, indices, scale, shift, x, threads)
