# What both passes of local contrast normalisation share (`contrast.pyx`): the sizes of a call, rows of its divisor.
from libc.string cimport memcpy, memset

from cnncli._fast._bands cimport Band, band_of, take_off
from cnncli._fast._maps cimport run_of
from cnncli._fast._types cimport real

cdef extern from *:
    """
    #define CNNCLI_TINY 1e-6 /* no divisor is smaller */
    """
    const double TINY "CNNCLI_TINY"


cdef struct Job:
    # Sizes of x, of v = x - mean, of y = v / deviation; how far v begins inside x, y inside v; strides in elements.
    int maps
    int groups
    int lanes
    int x_rows
    int v_rows
    int y_rows
    int x_columns
    int v_columns
    int y_columns
    int v_inset
    int y_inset
    bint subtract
    bint divide
    bint anchored
    double floor
    ptrdiff_t x_channel
    ptrdiff_t x_row
    ptrdiff_t y_channel
    ptrdiff_t y_row
    ptrdiff_t dx_channel
    ptrdiff_t dx_row
    ptrdiff_t row
    Band v_down
    Band v_across
    Band y_down
    Band y_across


cdef inline Job job_of(const Py_ssize_t *x, const Py_ssize_t *x_strides, const Py_ssize_t *y,
                       const Py_ssize_t *y_strides, const Py_ssize_t *mean, const Py_ssize_t *deviation,
                       Py_ssize_t item, tuple tables, bint adjoint, bint subtract, bint divide, bint anchored,
                       double floor) except *:
    cdef Job g
    run_of(x, x_strides, item)
    run_of(y, y_strides, item)
    if x[4] not in (8, 32) or y[4] != x[4]:
        raise ValueError("contrast: both arrays have 32 or 8 lanes")
    g.groups, g.maps, g.lanes = mean[1], x[1] // mean[1], x[4]
    g.x_rows, g.x_columns = x[2], x[3]
    g.v_rows, g.v_columns = mean[2], mean[3]
    g.y_rows, g.y_columns = y[2], y[3]
    if (x[1] != y[1] or g.groups * g.maps != x[1]
            or (divide and (deviation[1] != mean[1] or deviation[2] != y[2] or deviation[3] != y[3]))):
        raise ValueError("contrast: the shapes of the arrays do not belong together")
    g.v_inset, g.y_inset = (g.x_rows - g.v_rows) // 2, (g.v_rows - g.y_rows) // 2
    g.subtract, g.divide, g.anchored, g.floor = subtract, divide, anchored, floor
    g.x_channel, g.x_row = x_strides[1] // item, x_strides[2] // item
    g.y_channel, g.y_row = y_strides[1] // item, y_strides[2] // item
    g.dx_channel, g.dx_row = g.x_channel, g.x_row
    g.row = g.x_columns * g.lanes
    v_down, v_across, y_down, y_across = tables
    if subtract:
        g.v_down = band_of(v_down[0], v_down[1], g.x_rows if adjoint else g.v_rows)
        g.v_across = band_of(v_across[0], v_across[1], g.x_columns if adjoint else g.v_columns)
    if divide:
        g.y_down = band_of(y_down[0], y_down[1], g.v_rows if adjoint else g.y_rows)
        g.y_across = band_of(y_across[0], y_across[1], g.v_columns if adjoint else g.y_columns)
    return g


cdef inline void repeat(const real *pixel, real *row, ptrdiff_t run, int lanes) noexcept nogil:
    """One pixel in every column of a row; zeros if there is none."""
    cdef ptrdiff_t done = lanes, more
    if pixel == NULL:
        memset(row, 0, run * sizeof(real))
        return
    memcpy(row, pixel, lanes * sizeof(real))
    while done < run:
        more = done if done < run - done else run - done
        memcpy(row + done, row, more * sizeof(real))
        done = done + more


cdef inline void floor_of(Job *g, const real *sums, real *least) noexcept nogil:
    """The least divisor of the image; sums: of the deviations of each row, whose mean it may be."""
    cdef int i, l
    cdef real share = <real>1 / (<real>g.y_rows * g.y_columns)
    for l in range(g.lanes):
        least[l] = 0 if g.floor < 0 else <real>g.floor
    if g.floor < 0:
        for i in range(g.y_rows):
            for l in range(g.lanes):
                least[l] += sums[i * g.lanes + l]
        for l in range(g.lanes):
            least[l] = least[l] * share


cdef inline void invert(Job *g, const real *deviation, const real *least, real *inverse) noexcept nogil:
    """1 / max(least, deviation, 1e-6) for a row; a NaN in the deviation stays."""
    cdef ptrdiff_t j, run = g.y_columns * g.lanes
    cdef real d
    repeat(least, inverse, run, g.lanes)
    for j in range(run):
        d = inverse[j] if inverse[j] > deviation[j] else deviation[j]
        d = <real>TINY if d < <real>TINY else d
        inverse[j] = 1 / d


cdef inline void write_dx(Job *g, int i, const real *x, const real *dy, const real *mean, const real *deviation,
                          const real *least, real *dx, const real *twice, real *anchor, const real *taken,
                          real *inverse) noexcept nogil:
    """Row i of dx = dy / d (inside y) + twice v (inside v) - taken, for all maps. anchor, inverse: scratch."""
    cdef ptrdiff_t v_row = g.v_columns * g.lanes, y_row = g.y_columns * g.lanes, j
    cdef ptrdiff_t v_inset = g.v_inset * g.lanes, y_inset = v_inset + g.y_inset * g.lanes
    cdef int c, k = i - g.v_inset, r = k - g.y_inset
    cdef const real *source
    cdef const real *delta
    cdef real *target
    repeat(x if g.divide and g.anchored else NULL, anchor, g.row, g.lanes)
    if g.divide:
        if 0 <= r < g.y_rows:
            invert(g, deviation + r * y_row, least, inverse)
        mean = mean + k * v_row
        twice = twice + k * v_row
    for c in range(g.maps):
        target = dx + c * g.dx_channel + i * g.dx_row
        source = x + c * g.x_channel + i * g.x_row + v_inset
        delta = dy + c * g.y_channel + r * g.y_row
        if g.divide and y_inset == 0:                            # the usual cases in one sweep
            for j in range(g.row):
                target[j] = delta[j] * inverse[j] + twice[j] * ((source[j] - anchor[j]) - mean[j]) - taken[j]
        elif y_inset == 0:
            take_off(target, delta, anchor, taken, g.x_columns, g.lanes)
        else:
            for j in range(g.row):
                target[j] = -taken[j]
            if g.divide and 0 <= k < g.v_rows:
                for j in range(v_row):
                    target[v_inset + j] += twice[j] * ((source[j] - anchor[j]) - mean[j])
            if 0 <= r < g.y_rows:
                for j in range(y_row):
                    target[y_inset + j] += delta[j] * inverse[j] if g.divide else delta[j]
