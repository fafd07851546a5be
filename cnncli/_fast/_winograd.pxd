# Typed doors to winograd.h, each for one vector of `vector_length(lanes)` elements; and the memory that its passes take.
from cnncli._fast._microkernel cimport LANES_SMALL, TILE, part_count
from cnncli._fast._types cimport real

cdef extern from "winograd.h" nogil:
    void winograd_data_f32(int, const float *, ptrdiff_t, ptrdiff_t, float *, ptrdiff_t)
    void winograd_data_f32x8(int, const float *, ptrdiff_t, ptrdiff_t, float *, ptrdiff_t)
    void winograd_data_f64(int, const double *, ptrdiff_t, ptrdiff_t, double *, ptrdiff_t)
    void winograd_scatter_f32(int, const float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, int, int)
    void winograd_scatter_f32x8(int, const float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, int, int)
    void winograd_scatter_f64(int, const double *, ptrdiff_t, double *, ptrdiff_t, ptrdiff_t, int, int)
    void winograd_weights_f32(int, const float *, ptrdiff_t, float *, ptrdiff_t)
    void winograd_weights_f32x8(int, const float *, ptrdiff_t, float *, ptrdiff_t)
    void winograd_weights_f64(int, const double *, ptrdiff_t, double *, ptrdiff_t)
    void winograd_gradient_f32(int, const float *, ptrdiff_t, ptrdiff_t, float *, ptrdiff_t)
    void winograd_gradient_f32x8(int, const float *, ptrdiff_t, ptrdiff_t, float *, ptrdiff_t)
    void winograd_gradient_f64(int, const double *, ptrdiff_t, ptrdiff_t, double *, ptrdiff_t)
    void winograd_output_f32(int, const float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, int, int, const float *, int)
    void winograd_output_f32x8(int, const float *, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, int, int, const float *, int)
    void winograd_output_f64(int, const double *, ptrdiff_t, double *, ptrdiff_t, ptrdiff_t, int, int, const double *, int)
    void winograd_weight_gradient_f32(int, const float *, ptrdiff_t, float *, ptrdiff_t)
    void winograd_weight_gradient_f32x8(int, const float *, ptrdiff_t, float *, ptrdiff_t)
    void winograd_weight_gradient_f64(int, const double *, ptrdiff_t, double *, ptrdiff_t)


cdef inline void data(int lanes, int kernel, const real *x, ptrdiff_t row, ptrdiff_t pixel, real *t,
                      ptrdiff_t step) noexcept nogil:
    """The values of one tile of one map."""
    if real is double:
        winograd_data_f64(kernel, x, row, pixel, t, step)
    elif lanes == LANES_SMALL:
        winograd_data_f32x8(kernel, x, row, pixel, t, step)
    else:
        winograd_data_f32(kernel, x, row, pixel, t, step)


cdef inline void scatter(int lanes, int kernel, const real *t, ptrdiff_t step, real *x, ptrdiff_t row, ptrdiff_t pixel,
                         int rows, int columns) noexcept nogil:
    """The transpose of `data`: adds to the samples of a tile."""
    if real is double:
        winograd_scatter_f64(kernel, t, step, x, row, pixel, rows, columns)
    elif lanes == LANES_SMALL:
        winograd_scatter_f32x8(kernel, t, step, x, row, pixel, rows, columns)
    else:
        winograd_scatter_f32(kernel, t, step, x, row, pixel, rows, columns)


cdef inline void weights(int lanes, int kernel, const real *w, ptrdiff_t tap, real *t, ptrdiff_t step) noexcept nogil:
    """The values of a kernel."""
    if real is double:
        winograd_weights_f64(kernel, w, tap, t, step)
    elif lanes == LANES_SMALL:
        winograd_weights_f32x8(kernel, w, tap, t, step)
    else:
        winograd_weights_f32(kernel, w, tap, t, step)


cdef inline void gradient(int lanes, int kernel, const real *dy, ptrdiff_t row, ptrdiff_t pixel, real *t,
                          ptrdiff_t step) noexcept nogil:
    """The values of a tile of the output's gradient."""
    if real is double:
        winograd_gradient_f64(kernel, dy, row, pixel, t, step)
    elif lanes == LANES_SMALL:
        winograd_gradient_f32x8(kernel, dy, row, pixel, t, step)
    else:
        winograd_gradient_f32(kernel, dy, row, pixel, t, step)


cdef inline void output(int lanes, int kernel, const real *t, ptrdiff_t step, real *y, ptrdiff_t row, ptrdiff_t pixel,
                        int rows, int columns, const real *bias, int start) noexcept nogil:
    """One tile of one output map from its values."""
    if real is double:
        winograd_output_f64(kernel, t, step, y, row, pixel, rows, columns, bias, start)
    elif lanes == LANES_SMALL:
        winograd_output_f32x8(kernel, t, step, y, row, pixel, rows, columns, bias, start)
    else:
        winograd_output_f32(kernel, t, step, y, row, pixel, rows, columns, bias, start)


cdef inline void weight_gradient(int lanes, int kernel, const real *t, ptrdiff_t step, real *dw, ptrdiff_t tap) noexcept nogil:
    """A kernel's gradient from its values."""
    if real is double:
        winograd_weight_gradient_f64(kernel, t, step, dw, tap)
    elif lanes == LANES_SMALL:
        winograd_weight_gradient_f32x8(kernel, t, step, dw, tap)
    else:
        winograd_weight_gradient_f32(kernel, t, step, dw, tap)


cdef enum:
    OUTPUTS = 4          # of a tile, in each direction
    WIDEST = 16          # elements of the longest vector
    LINE = 16            # elements that keep the matrices from falling into the same places of the cache
    AT_ONCE = 192 * 1024    # elements of transformed samples that a thread works on at once
    MAPS_AT_ONCE = 64    # input and output maps of one part of the weights' gradient


cdef inline ptrdiff_t padded(ptrdiff_t size, ptrdiff_t unit) noexcept nogil:
    return (size + unit - 1) // unit * unit


cdef inline int products(int kernel) noexcept nogil:
    """Multiplications of a tile, and values that stand for its samples."""
    return (kernel + 3) * (kernel + 3)


cdef inline int tiles_at_once(ptrdiff_t maps, int kernel, int lanes, int tiles) noexcept nogil:
    """Neighbouring tiles of a row that are transformed together: as many as the cache holds for so many maps."""
    cdef ptrdiff_t most = AT_ONCE // (products(kernel) * maps * lanes)
    return <int>max(<ptrdiff_t>1, min(most, <ptrdiff_t>tiles))


cdef inline ptrdiff_t weights_size(ptrdiff_t outputs, ptrdiff_t inputs, int kernel) noexcept nogil:
    """Elements of all transformed weights: the tiles of outputs one after another, each with its matrices."""
    return part_count(<int>outputs, TILE) * products(kernel) * padded(TILE * inputs, WIDEST)


cdef inline ptrdiff_t pass_size(ptrdiff_t outputs, ptrdiff_t inputs, int kernel, int lanes, int tiles,
                                int threads) noexcept nogil:
    """Scratch of one pass over maps: weights, their copy before the transform, and both sides of the products."""
    cdef ptrdiff_t n = tiles_at_once(outputs + inputs, kernel, lanes, tiles) * lanes
    return (weights_size(outputs, inputs, kernel) + threads * padded(25 * padded(TILE * inputs, WIDEST), WIDEST)
            + threads * products(kernel) * ((outputs + inputs) * n + 2 * LINE))


cdef inline ptrdiff_t gradient_size(ptrdiff_t outputs, ptrdiff_t inputs, int kernel, int lanes, int tiles, int blocks,
                                    int threads) noexcept nogil:
    """Scratch of the weights' gradient: partial gradients of the blocks, and each thread's matrices."""
    cdef ptrdiff_t o = padded(min(outputs, MAPS_AT_ONCE), WIDEST), c = padded(min(inputs, MAPS_AT_ONCE), WIDEST)
    cdef ptrdiff_t n = tiles_at_once(o + c, kernel, lanes, tiles) * lanes
    return (blocks * inputs * kernel * kernel * padded(outputs, WIDEST)
            + threads * products(kernel) * ((o + c) * n + 2 * LINE + c * o + LINE + WIDEST * WIDEST))


cdef inline int tiles_of(int size) noexcept nogil:
    return (size + OUTPUTS - 1) // OUTPUTS
