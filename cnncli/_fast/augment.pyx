"""Training images, changed at random: geometry, light, noise, holes, in this order. Work is shared out by image.

What is done to an image is found by its index, so neither the batch nor the threads matter.
"""
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from cnncli._fast._reduce cimport team

cdef extern from "resample.h" nogil:
    void find_sources(int32_t *place, float *down, float *right, float row, float column, float row_step,
                      float column_step, int height, int width)
    void interpolate(float *out, const float *plane, const int32_t *place, const float *down, const float *right,
                     int width, ptrdiff_t size)
    void add_noise(float *out, ptrdiff_t size, float deviation, uint64_t key, uint32_t position)
    float limited(float x, float high)
    ptrdiff_t whole_vectors(ptrdiff_t size)

ctypedef fused pixel:
    uint8_t
    uint16_t
    float


def scratch_size(int height, int width):
    """Elements of scratch that a thread needs."""
    return (height + 2) * (width + 2) + 4 * whole_vectors(height * width + whole_vectors(width))


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


cdef void change_one(const pixel *source, const float[:, ::1] inverse, const float[::1] light, float noise, uint64_t key,
                     const int32_t[:, ::1] holes, const float[::1] fill, bint edge, float full, int height, int width,
                     int channels, float *target, float *scratch) noexcept nogil:
    cdef ptrdiff_t size = <ptrdiff_t>height * width, p
    cdef ptrdiff_t room = whole_vectors(size + whole_vectors(width))
    cdef float *plane = scratch
    cdef float *flat = plane + (height + 2) * (width + 2)
    cdef float *down = flat + room
    cdef float *right = down + room
    cdef int32_t *place = <int32_t *>(right + room)
    cdef int c, i, j, h
    cdef float colour
    for i in range(height):
        find_sources(place + i * width, down + i * width, right + i * width, inverse[0, 0] * i + inverse[0, 2] + 1,
                     inverse[1, 0] * i + inverse[1, 2] + 1, inverse[0, 1], inverse[1, 1], height, width)
    for c in range(channels):
        colour = fill[c] * full
        for i in range(height):
            for j in range(width):
                if pixel is uint8_t:                     # as 16 bits, as packing has it
                    plane[(i + 1) * (width + 2) + j + 1] = 257 * source[(i * width + j) * channels + c]
                else:
                    plane[(i + 1) * (width + 2) + j + 1] = source[(i * width + j) * channels + c]
        border(plane, height, width, colour, edge)
        interpolate(flat, plane, place, down, right, width, size)
        if light[0] != 1 or light[1] != 0:
            change_light(flat, size, light[0], light[1] * full)
        if noise > 0:
            add_noise(flat, size, noise * full, key, <uint32_t>(c * ((size + 1) // 2)))
        for h in range(holes.shape[0]):
            for i in range(max(0, holes[h, 0]), min(height, holes[h, 1])):
                for j in range(max(0, holes[h, 2]), min(width, holes[h, 3])):
                    flat[i * width + j] = colour
        for p in range(size):
            target[p * channels + c] = limited(flat[p], full)


cdef void change(const pixel[:, :, :, ::1] images, const int64_t[::1] indices, const float[:, :, ::1] inverse,
                 const float[:, ::1] light, float noise, const uint64_t[::1] keys, const int32_t[:, :, ::1] holes,
                 const float[::1] fill, bint edge, float full, float[:, :, :, ::1] out, float[:, ::1] scratch,
                 int threads):
    cdef int height = images.shape[1], width = images.shape[2], channels = images.shape[3]
    cdef Py_ssize_t n = indices.shape[0], i, k, t
    cdef int members = team(min(threads, <int>scratch.shape[0]), <double>n * height * width * channels)
    for t in prange(members, nogil=True, schedule="static", num_threads=members):
        for k in range(t * n // members, (t + 1) * n // members):
            i = indices[k]
            change_one(&images[i, 0, 0, 0], inverse[i], light[i], noise, keys[i], holes[i], fill, edge, full, height,
                       width, channels, &out[k, 0, 0, 0], &scratch[t, 0])


def change_images(images, const int64_t[::1] indices, const float[:, :, ::1] inverse, const float[:, ::1] light,
                  float noise, const uint64_t[::1] keys, const int32_t[:, :, ::1] holes, const float[::1] fill,
                  bint edge, float[:, :, :, ::1] out, float[:, ::1] scratch, int threads):
    """out[k] = images[indices[k]], changed; in the scale of 16 bits (8-bit pixels 257 times as large), floats in 0..1.

    images [image, row, column, channel] of uint8, uint16 or float32, indices: IN. Of every image of the set, IN: inverse
    [image, 2, 3], the row and the column that an output pixel (row, column, 1) comes from; light [image, 2], a factor on
    the differences from the channel's mean and what is then added; keys, of its noise; holes [image, hole, 4], the first
    row, the row behind the last, and columns likewise, which get the fill, and may stick out. noise: its deviation, 0
    for none. fill: what lies outside, one per channel, or, if edge, the nearest pixel. light, noise, fill in 0..1.
    out [batch, row, column, channel]: OUT; scratch [thread, scratch_size].

    Raises
    ------
    ValueError
        If shapes do not fit each other, or an index is out of range.
    """
    cdef Py_ssize_t k, count = images.shape[0]
    cdef int height = images.shape[1], width = images.shape[2]
    if (out.shape[1] != height or out.shape[2] != width or out.shape[3] != images.shape[3]
            or fill.shape[0] != images.shape[3] or indices.shape[0] > out.shape[0] or inverse.shape[1] != 2
            or inverse.shape[2] != 3 or light.shape[1] != 2 or holes.shape[2] != 4 or scratch.shape[0] < 1
            or scratch.shape[1] < scratch_size(height, width)
            or not count == inverse.shape[0] == light.shape[0] == keys.shape[0] == holes.shape[0]):
        raise ValueError("augment: the arrays do not have the images' shapes")
    for k in range(indices.shape[0]):
        if not 0 <= indices[k] < count:
            raise ValueError("augment: there is no image of this index")
    if images.dtype.name == "uint8":
        change[uint8_t](images, indices, inverse, light, noise, keys, holes, fill, edge, 65535, out, scratch, threads)
    elif images.dtype.name == "uint16":
        change[uint16_t](images, indices, inverse, light, noise, keys, holes, fill, edge, 65535, out, scratch, threads)
    else:
        change[float](images, indices, inverse, light, noise, keys, holes, fill, edge, 1, out, scratch, threads)
