# The gradient of convolution's weights for one block of images and one chunk of outputs and taps.
from libc.stdint cimport int32_t
from libc.string cimport memset

from cnncli._fast._microkernel cimport (
    GRAD_OUT, GRAD_TAP, gradient_run, part_count, part_start, vector_length,
)
from cnncli._fast._transpose cimport lane_sums
from cnncli._fast._types cimport real

cdef enum:
    OUTPUTS_AT_ONCE = 2 * GRAD_OUT
    TAPS_AT_ONCE = 192
    PER_THREAD = (OUTPUTS_AT_ONCE * TAPS_AT_ONCE + 8) * 16   # elements for the vectors of such a chunk


cdef inline void weight_gradient(const real *x, ptrdiff_t x_row, ptrdiff_t x_pixel, const real *dy, ptrdiff_t y_row,
                                 const int32_t *yo, int outputs, const int32_t *off, int taps, int rows, int columns,
                                 int lanes, real *sums, real *out, ptrdiff_t out_row) noexcept nogil:
    """out[o, k] = sum over one block's pixels and lanes of dy[o] x[k]; `sums` holds a vector for each weight."""
    cdef int length = vector_length(out, lanes)
    cdef int vectors = lanes // length, runs = columns
    cdef int i, t, s, o, k, o1, k1
    if x_pixel == lanes:
        vectors, runs = vectors * columns, 1
    memset(sums, 0, sizeof(real) * <size_t>outputs * taps * length)
    for i in range(rows):
        for s in range(part_count(taps, GRAD_TAP)):
            k = part_start(taps, GRAD_TAP, s)
            k1 = part_start(taps, GRAD_TAP, s + 1)
            for t in range(part_count(outputs, GRAD_OUT)):
                o = part_start(outputs, GRAD_OUT, t)
                o1 = part_start(outputs, GRAD_OUT, t + 1)
                gradient_run(o1 - o, k1 - k, lanes, dy + i * y_row, yo + o, <ptrdiff_t>lanes, x + i * x_row, off + k,
                                    x_pixel, runs, vectors, sums + (<ptrdiff_t>o * taps + k) * length,
                                    <ptrdiff_t>taps * length)
    for o in range(outputs):
        lane_sums(lanes, sums + <ptrdiff_t>o * taps * length, taps, out + o * out_row)
