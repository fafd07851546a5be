"""Images into lanes: the one place where [image, row, column, channel] becomes [block, channel, row, column, lane]."""
from cython.parallel cimport prange
from libc.stdint cimport int64_t, uint8_t, uint16_t

from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real

cdef extern from "vectors.h" nogil:
    enum:
        LANES
        LANES_SMALL

cdef extern from "pack.h" nogil:
    void pack_row_u8_f32(const uint8_t *const *, int, int, int, int, const double *, const double *, float *,
                         ptrdiff_t, ptrdiff_t)
    void pack_row_u16_f32(const uint16_t *const *, int, int, int, int, const double *, const double *, float *,
                          ptrdiff_t, ptrdiff_t)
    void pack_row_f32_f32(const float *const *, int, int, int, int, const double *, const double *, float *,
                          ptrdiff_t, ptrdiff_t)
    void pack_row_u8_f64(const uint8_t *const *, int, int, int, int, const double *, const double *, double *,
                         ptrdiff_t, ptrdiff_t)
    void pack_row_u16_f64(const uint16_t *const *, int, int, int, int, const double *, const double *, double *,
                          ptrdiff_t, ptrdiff_t)
    void pack_row_f32_f64(const float *const *, int, int, int, int, const double *, const double *, double *,
                          ptrdiff_t, ptrdiff_t)

ctypedef fused pixel:
    uint8_t
    uint16_t
    float


cdef void fill_row(const pixel *images, ptrdiff_t image, const int64_t *indices, int valid, int lanes, int samples,
                   int channels, const double *scale, const double *shift, real *x, ptrdiff_t x_channel,
                   ptrdiff_t x_pixel) noexcept nogil:
    """One row of the images of one block; `image` is the distance of two images."""
    cdef const pixel *source[LANES]
    cdef int l
    for l in range(valid):
        source[l] = images + indices[l] * image
    if real is float:
        if pixel is uint8_t:
            pack_row_u8_f32(source, valid, lanes, samples, channels, scale, shift, x, x_channel, x_pixel)
        elif pixel is uint16_t:
            pack_row_u16_f32(source, valid, lanes, samples, channels, scale, shift, x, x_channel, x_pixel)
        else:
            pack_row_f32_f32(source, valid, lanes, samples, channels, scale, shift, x, x_channel, x_pixel)
    else:
        if pixel is uint8_t:
            pack_row_u8_f64(source, valid, lanes, samples, channels, scale, shift, x, x_channel, x_pixel)
        elif pixel is uint16_t:
            pack_row_u16_f64(source, valid, lanes, samples, channels, scale, shift, x, x_channel, x_pixel)
        else:
            pack_row_f32_f64(source, valid, lanes, samples, channels, scale, shift, x, x_channel, x_pixel)


cdef int fill(const pixel[:, :, :, ::1] images, const int64_t[::1] indices, const double[::1] scale,
              const double[::1] shift, real[:, :, :, :, :] x, int threads) except -1:
    cdef int rows = x.shape[2], samples = x.shape[3] * x.shape[1], channels = x.shape[1], lanes = x.shape[4]
    cdef int n = indices.shape[0], blocks = (n + lanes - 1) // lanes, i, piece, first
    if (images.shape[1] != rows or images.shape[2] != x.shape[3] or images.shape[3] != channels
            or scale.shape[0] != channels or shift.shape[0] != channels or n > x.shape[0] * lanes
            or (lanes != LANES and lanes != LANES_SMALL) or x.strides[4] != sizeof(real)):
        raise ValueError("pack: the images do not fit the network's input")
    for i in range(n):
        if not 0 <= indices[i] < images.shape[0]:
            raise ValueError("pack: there is no image of this index")
    cdef ptrdiff_t item = sizeof(real)
    for piece in prange(blocks * rows, nogil=True, schedule="static",
                        num_threads=team(threads, <double>blocks * rows * samples * lanes)):
        first = piece // rows * lanes
        fill_row(&images[0, piece % rows, 0, 0], <ptrdiff_t>rows * samples, &indices[first],
                 lanes if first + lanes < n else n - first, lanes, samples, channels, &scale[0], &shift[0],
                 &x[piece // rows, 0, piece % rows, 0, 0], x.strides[1] // item, x.strides[3] // item)
    return 0


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
    cdef int size = images.itemsize
    if size == sizeof(uint8_t):
        fill[uint8_t, real](images, indices, scale, shift, x, threads)
    elif size == sizeof(uint16_t):
        fill[uint16_t, real](images, indices, scale, shift, x, threads)
    else:
        fill[float, real](images, indices, scale, shift, x, threads)
