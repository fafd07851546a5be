"""Training images, changed at random: colour, geometry, blur, light, noise, holes, in this order. Work is shared out by
image, so that threads do not matter.
"""
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from cnncli._fast._reduce cimport team

cdef extern from "resample.h" nogil:
    void find_sources(int32_t *place, float *down, float *right, float row, float column, float row_step,
                      float column_step, const float *row_shift, const float *column_shift, int height, int width)
    void interpolate(float *out, const float *plane, const int32_t *place, const float *down, const float *right,
                     int width, ptrdiff_t size)
    void add_displacement(float *rows, float *columns, float *field, float *between, float *line, float alpha,
                          float sigma, uint64_t key, uint32_t position, int height, int width)
    void blur(float *plane, float *between, float *line, float sigma, int height, int width)
    void add_noise(float *out, ptrdiff_t size, float deviation, uint64_t key, uint32_t position)
    float limited(float x, float high)
    int MAX_RADIUS
    ptrdiff_t whole_vectors(ptrdiff_t size)

ctypedef fused pixel:
    uint8_t
    uint16_t
    float


def scratch_size(int height, int width):
    """Elements of scratch that a thread needs."""
    return (height + 2) * (width + 2) + 7 * whole_vectors(height * width + whole_vectors(width)) + width + 2 * MAX_RADIUS


cdef void border(float *plane, int height, int width, float fill, bint edge) noexcept nogil:
    """What lies outside the image: a colour, or the nearest pixel."""
    cdef int i, j, step = width + 2
    for i in range(1, height + 1):
        plane[i * step] = plane[i * step + 1] if edge else fill
        plane[i * step + width + 1] = plane[i * step + width] if edge else fill
    for j in range(step):
        plane[j] = plane[step + j] if edge else fill
        plane[(height + 1) * step + j] = plane[height * step + j] if edge else fill


cdef void change_light(float *out, ptrdiff_t size, float gain, float offset) noexcept nogil:
    """out = mean + gain (out - mean) + offset."""
    cdef double total = 0
    cdef float mean
    cdef ptrdiff_t p
    for p in range(size):
        total += out[p]
    mean = <float>(total / size)
    for p in range(size):
        out[p] = mean + gain * (out[p] - mean) + offset


cdef inline float wide(pixel x) noexcept nogil:
    """8 bits as 16, as packing has it."""
    return 257 * x if pixel is uint8_t else x


cdef void read_channel(const pixel *source, const float *colour, float *plane, int c, int height, int width,
                       int channels) noexcept nogil:
    """One channel into the middle of a plane with a border: as it is, or one of the colour matrix's sums."""
    cdef int i, j, k
    cdef const pixel *at
    cdef float *out
    cdef float value
    for i in range(height):
        at, out = source + i * width * channels, plane + (i + 1) * (width + 2) + 1
        if colour == NULL:
            for j in range(width):
                out[j] = wide(at[j * channels + c])
            continue
        for j in range(width):
            value = 0
            for k in range(channels):
                value += colour[c * channels + k] * wide(at[j * channels + k])
            out[j] = value


cdef void change_one(const pixel *source, const float *colour, const float[:, ::1] inverse,
                     const float[:, ::1] elastic, uint64_t elastic_key, const float[::1] look, float noise,
                     uint64_t noise_key, const int32_t[:, ::1] holes, const float[::1] fill, bint edge, float full,
                     int height, int width, int channels, float *target, float *scratch) noexcept nogil:
    cdef ptrdiff_t size = <ptrdiff_t>height * width, p
    cdef ptrdiff_t room = whole_vectors(size + whole_vectors(width))
    cdef float *plane = scratch
    cdef float *flat = plane + (height + 2) * (width + 2)
    cdef float *down = flat + room
    cdef float *right = down + room
    cdef int32_t *place = <int32_t *>(right + room)
    cdef float *rows = <float *>place + room
    cdef float *columns = rows + room
    cdef float *between = columns + room
    cdef float *line = between + room
    cdef int c, i, j, h
    cdef float paint
    memset(rows, 0, 2 * room * sizeof(float))
    for h in range(elastic.shape[0]):
        add_displacement(rows, columns, flat, between, line, elastic[h, 0], elastic[h, 1], elastic_key,
                         <uint32_t>(h * size), height, width)
    for i in range(height):
        find_sources(place + i * width, down + i * width, right + i * width, inverse[0, 0] * i + inverse[0, 2] + 1,
                     inverse[1, 0] * i + inverse[1, 2] + 1, inverse[0, 1], inverse[1, 1], rows + i * width,
                     columns + i * width, height, width)
    for c in range(channels):
        paint = fill[c] * full
        read_channel(source, colour, plane, c, height, width, channels)
        border(plane, height, width, paint, edge)
        interpolate(flat, plane, place, down, right, width, size)
        if look[0] > 0:
            blur(flat, between, line, look[0], height, width)
        if look[1] != 1 or look[2] != 0:
            change_light(flat, size, look[1], look[2] * full)
        if noise > 0:
            add_noise(flat, size, noise * full, noise_key, <uint32_t>(c * ((size + 1) // 2)))
        for h in range(holes.shape[0]):
            for i in range(max(0, holes[h, 0]), min(height, holes[h, 1])):
                for j in range(max(0, holes[h, 2]), min(width, holes[h, 3])):
                    flat[i * width + j] = paint
        for p in range(size):
            target[p * channels + c] = limited(flat[p], full)


cdef void change(const pixel[:, :, :, ::1] images, const int64_t[::1] indices, const float[:, :, ::1] colour,
                 const float[:, :, ::1] inverse, const float[:, ::1] elastic, const uint64_t[:, ::1] keys,
                 const float[:, ::1] look, float noise, const int32_t[:, :, ::1] holes, const float[::1] fill, bint edge,
                 float full, float[:, :, :, ::1] out, float[:, ::1] scratch, int threads):
    cdef int height = images.shape[1], width = images.shape[2], channels = images.shape[3]
    cdef Py_ssize_t n = indices.shape[0], k, t
    cdef int members = team(min(threads, <int>scratch.shape[0]), <double>n * height * width * channels)
    cdef bint coloured = colour.shape[0] > 0
    for t in prange(members, nogil=True, schedule="static", num_threads=members):
        for k in range(t * n // members, (t + 1) * n // members):
            change_one(&images[indices[k], 0, 0, 0], &colour[k, 0, 0] if coloured else NULL, inverse[k], elastic,
                       keys[k, 0], look[k], noise, keys[k, 1], holes[k], fill, edge, full, height, width, channels,
                       &out[k, 0, 0, 0], &scratch[t, 0])


def change_images(images, const int64_t[::1] indices, const float[:, :, ::1] colour, const float[:, :, ::1] inverse,
                  const float[:, ::1] elastic, const uint64_t[:, ::1] keys, const float[:, ::1] look, float noise,
                  const int32_t[:, :, ::1] holes, const float[::1] fill, bint edge, float[:, :, :, ::1] out,
                  float[:, ::1] scratch, int threads):
    """out[k] = images[indices[k]], changed; in the scale of 16 bits (8-bit pixels 257 times as large), floats in 0..1.

    images [image, row, column, channel] of uint8, uint16 or float32, indices: IN. Of every image of the batch, IN:
    colour [batch, channel, channel], a matrix for its channels, or empty; inverse [batch, 2, 3], the row and the column
    that an output pixel (row, column, 1) comes from; keys [batch, 2], of its elastic field and of its noise; look
    [batch, 3], the deviation of a Gaussian in pixels (0 for none, at most 16), a factor on the differences from the
    channel's mean, and what is then added; holes [batch, hole, 4], the first row, the row behind the last, and columns
    likewise, which get the fill, and may stick out. elastic [field, 2], IN: strength and deviation of random fields by
    which the places move that pixels come from. noise: its deviation, 0 for none. fill: what lies outside, one per
    channel, or, if edge, the nearest pixel. Light, noise and fill in 0..1.
    out [batch, row, column, channel]: OUT; scratch [thread, scratch_size].

    Raises
    ------
    ValueError
        If shapes do not fit each other, or an index is out of range.
    """
    cdef Py_ssize_t k, n = indices.shape[0]
    cdef int height = images.shape[1], width = images.shape[2], channels = images.shape[3]
    if (out.shape[1] != height or out.shape[2] != width or out.shape[3] != channels or fill.shape[0] != channels
            or n > out.shape[0] or inverse.shape[1] != 2 or inverse.shape[2] != 3 or elastic.shape[1] != 2
            or keys.shape[1] != 2 or look.shape[1] != 3 or holes.shape[2] != 4 or scratch.shape[0] < 1
            or scratch.shape[1] < scratch_size(height, width)
            or not n == inverse.shape[0] == keys.shape[0] == look.shape[0] == holes.shape[0]
            or colour.shape[0] and not (colour.shape[0] == n and channels == colour.shape[1] == colour.shape[2])):
        raise ValueError("augment: the arrays do not have the images' shapes")
    for k in range(n):
        if not 0 <= indices[k] < images.shape[0]:
            raise ValueError("augment: there is no image of this index")
    if images.dtype.name == "uint8":
        change[uint8_t](images, indices, colour, inverse, elastic, keys, look, noise, holes, fill, edge, 65535, out,
                        scratch, threads)
    elif images.dtype.name == "uint16":
        change[uint16_t](images, indices, colour, inverse, elastic, keys, look, noise, holes, fill, edge, 65535, out,
                         scratch, threads)
    else:
        change[float](images, indices, colour, inverse, elastic, keys, look, noise, holes, fill, edge, 1, out, scratch,
                      threads)
