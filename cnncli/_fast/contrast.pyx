"""Local contrast normalisation: a map less its local mean, divided by its local deviation.

Design
a) Local means are R x C^T with the matrices of `_bands.pxd`: borders, and the step to the adjoint, are other matrices.
b) Both passes are four phases, each a function of one row of a group (the maps that share a mean), so that a row stays
   in the cache while its maps are gone through. What the phases hand on are single maps of a group.
c) One group of all maps: rows of all blocks are shared out, phase by phase. Every map its own group: maps are shared
   out and each goes through all phases at once, in the second-level cache.

Shapes: x [block, channel, row, column, lane]; under border `valid` v = x - mean and y = v / deviation are smaller each.
Per group: mean [block, group, rows of v, columns of v, lane], deviation [block, group, rows of y, columns of y, lane],
least [block, group, lane], the floor under the deviation.
"""
from cython.parallel cimport prange, threadid
from libc.math cimport sqrt, sqrtf

from cnncli._fast._bands cimport add_pixels, filter_row, take_off
from cnncli._fast._contrast cimport TINY, Job, floor_of, invert, job_of, repeat, write_dx
from cnncli._fast._maps cimport run_of
from cnncli._fast._reduce cimport team
from cnncli._fast._types cimport real


def scratch_size(shape, bint shared, int blocks, int lanes, int threads):
    """Elements of scratch: three maps, row sums and an anchor for each block or thread, three rows for each thread."""
    cdef long rows = shape[1], columns = shape[2]
    return (blocks if shared else threads) * (3 * rows * columns + rows + 1) * lanes + threads * 3 * columns * lanes


def forward(const real[:, :, :, :, :] x, real[:, :, :, :, :] y, real[:, :, :, :, ::1] mean,
            real[:, :, :, :, ::1] deviation, real[:, :, ::1] least, tuple tables, real[::1] scratch, bint subtract,
            bint divide, bint anchored, double floor, int blocks, int threads):
    """v = x - local mean of x; y = v / max(least, local deviation of v, 1e-6).

    Parameters
    ----------
    x : IN
    y, mean, deviation, least : OUT
        `y` may be `x` where only subtracting. Without `subtract` the mean is 0, without `divide` deviation and least
        are not written.
    tables : four matrices, for rows and columns of the mean and rows and columns of the deviation
    scratch : work space of `scratch_size` elements
    anchored : whether the first sample of an image (of a map, if each is its own group) is taken off before
    floor : least deviation; if negative, the mean over the image
    """
    cdef Job g = job_of(x.shape, x.strides, y.shape, y.strides, mean.shape, deviation.shape, sizeof(real), tables,
                        False, subtract, divide, anchored, floor)
    cdef int piece, b, k, phase, slots = blocks if g.groups == 1 else threads
    cdef int phases = 4 if divide else 2
    cdef ptrdiff_t slot = (3 * g.x_rows * g.row) + (g.x_rows + 1) * g.lanes
    cdef int size = team(threads, <double>blocks * g.groups * g.maps * g.x_rows * g.row)
    cdef real *maps = &scratch[0]
    cdef real *lines = maps + slots * slot
    with nogil:
        if g.groups == 1:
            for phase in range(phases):
                for piece in prange(blocks * g.x_rows, schedule="static", num_threads=size):
                    b = piece // g.x_rows
                    forward_row(&g, phase, piece % g.x_rows, &x[b, 0, 0, 0, 0], &y[b, 0, 0, 0, 0], &mean[b, 0, 0, 0, 0],
                                &deviation[b, 0, 0, 0, 0], &least[b, 0, 0], maps + b * slot,
                                lines + threadid() * 3 * g.row)
        else:
            for piece in prange(blocks * g.groups, schedule="static", num_threads=size):
                b = piece // g.groups
                k = piece % g.groups
                for phase in range(phases):
                    forward_rows(&g, phase, &x[b, k, 0, 0, 0], &y[b, k, 0, 0, 0], &mean[b, k, 0, 0, 0],
                                 &deviation[b, k, 0, 0, 0], &least[b, k, 0], maps + threadid() * slot,
                                 lines + threadid() * 3 * g.row)


cdef void forward_rows(Job *g, int phase, const real *x, real *y, real *mean, real *deviation, real *least, real *maps,
                       real *lines) noexcept nogil:
    cdef int i
    for i in range(g.x_rows):
        forward_row(g, phase, i, x, y, mean, deviation, least, maps, lines)


cdef void forward_row(Job *g, int phase, int i, const real *x, real *y, real *mean, real *deviation, real *least,
                      real *maps, real *lines) noexcept nogil:
    """Row i of one phase: 0 sums x over maps, 1 takes the mean off and sums squares, 2 roots them, 3 divides."""
    cdef real *squares = maps + g.x_rows * g.row
    cdef real *sums = squares + 2 * g.x_rows * g.row             # of the deviation, per row and lane
    cdef real *anchor = sums + g.x_rows * g.lanes
    cdef real *level = lines + g.row                             # the anchor, repeated along a row
    cdef real *inverse = lines + 2 * g.row
    cdef ptrdiff_t v_row = g.v_columns * g.lanes, y_row = g.y_columns * g.lanes, v_inset = g.v_inset * g.lanes
    cdef ptrdiff_t y_inset = g.y_inset * g.lanes, j
    cdef int c
    cdef real share = <real>1 / g.maps, v
    cdef const real *source
    cdef real *target
    if phase == 0:
        if i == 0:                                               # y may be x: later phases do not find it there
            repeat(x if g.anchored else NULL, anchor, g.lanes, g.lanes)
        if not g.subtract:
            return
        repeat(x if g.anchored else NULL, level, g.row, g.lanes)
        target = maps + i * g.row
        for j in range(g.row):
            target[j] = 0
        for c in range(g.maps):
            source = x + c * g.x_channel + i * g.x_row
            for j in range(g.row):
                target[j] += source[j] - level[j]
        for j in range(g.row):
            target[j] = target[j] * share
    elif phase == 1 and i < g.v_rows:
        repeat(anchor, level, v_row, g.lanes)
        mean = mean + i * v_row
        if g.subtract:
            filter_row(maps, g.row, g.x_columns, g.v_down, i, g.v_across, lines, mean, g.v_columns, g.lanes)
        else:
            repeat(<const real *>NULL, mean, v_row, g.lanes)
        squares = squares + i * v_row
        for j in range(v_row):
            squares[j] = 0
        for c in range(g.maps):
            source = x + c * g.x_channel + (i + g.v_inset) * g.x_row + v_inset
            if g.divide:
                for j in range(v_row):
                    v = (source[j] - level[j]) - mean[j]
                    squares[j] += v * v
            else:
                take_off(y + c * g.y_channel + i * g.y_row, source, level, mean, g.v_columns, g.lanes)
        for j in range(v_row):
            squares[j] = squares[j] * share
    elif phase == 2 and i < g.y_rows:
        deviation = deviation + i * y_row
        filter_row(squares, v_row, g.v_columns, g.y_down, i, g.y_across, lines, deviation, g.y_columns, g.lanes)
        for j in range(y_row):
            deviation[j] = sqrtf(deviation[j]) if real is float else sqrt(deviation[j])
        add_pixels(deviation, g.y_columns, g.lanes, sums + i * g.lanes)
    elif phase == 3 and i < g.y_rows:
        floor_of(g, sums, lines)
        if i == 0:
            repeat(lines, least, g.lanes, g.lanes)
        invert(g, deviation + i * y_row, lines, inverse)
        repeat(anchor, level, y_row, g.lanes)
        mean = mean + (i + g.y_inset) * v_row + y_inset
        for c in range(g.maps):
            source = x + c * g.x_channel + (i + g.v_inset + g.y_inset) * g.x_row + v_inset + y_inset
            target = y + c * g.y_channel + i * g.y_row
            for j in range(y_row):
                target[j] = ((source[j] - level[j]) - mean[j]) * inverse[j]


def backward(const real[:, :, :, :, :] x, const real[:, :, :, :, :] dy, const real[:, :, :, :, ::1] mean,
             const real[:, :, :, :, ::1] deviation, const real[:, :, ::1] least, real[:, :, :, :, :] dx, tuple tables,
             real[::1] scratch, bint subtract, bint divide, bint anchored, double floor, int blocks, int threads):
    """dx of `forward`: dv = dy / d + 2 v A^T(dq), dx = dv - B^T(sum of dv over maps), A and B the two local means.

    dq = (e where the deviation divides + the mean over the image of e where its floor does) / (2 deviation) with
    e = -(sum over maps of dy v) / d^2, and 0 where the deviation is 0.

    Parameters
    ----------
    x, dy, mean, deviation, least : IN
        What `forward` read and wrote; `x` is not looked at without `divide`.
    dx : OUT
        May be `dy`'s memory where only subtracting and the border is not `valid`.
    tables : the transposed matrices
    """
    cdef Job g = job_of(x.shape, x.strides, dy.shape, dy.strides, mean.shape, deviation.shape, sizeof(real), tables,
                        True, subtract, divide, anchored, floor)
    if dx.shape[1] != x.shape[1] or dx.shape[2] != x.shape[2] or run_of(dx.shape, dx.strides, sizeof(real)) != g.row:
        raise ValueError("contrast: the gradient has another shape than the input")
    g.dx_channel, g.dx_row = dx.strides[1] // <ptrdiff_t>sizeof(real), dx.strides[2] // <ptrdiff_t>sizeof(real)
    cdef int piece, b, k, phase, slots = blocks if g.groups == 1 else threads
    cdef ptrdiff_t slot = (3 * g.x_rows * g.row) + (g.x_rows + 1) * g.lanes
    cdef int size = team(threads, <double>blocks * g.groups * g.maps * g.x_rows * g.row)
    cdef real *maps = &scratch[0]
    cdef real *lines = maps + slots * slot
    with nogil:
        if g.groups == 1:
            for phase in range(4):
                for piece in prange(blocks * g.x_rows, schedule="static", num_threads=size):
                    b = piece // g.x_rows
                    backward_row(&g, phase, piece % g.x_rows, &x[b, 0, 0, 0, 0], &dy[b, 0, 0, 0, 0],
                                 &mean[b, 0, 0, 0, 0], &deviation[b, 0, 0, 0, 0], &least[b, 0, 0], &dx[b, 0, 0, 0, 0],
                                 maps + b * slot, lines + threadid() * 3 * g.row)
        else:
            for piece in prange(blocks * g.groups, schedule="static", num_threads=size):
                b = piece // g.groups
                k = piece % g.groups
                for phase in range(4):
                    backward_rows(&g, phase, &x[b, k, 0, 0, 0], &dy[b, k, 0, 0, 0], &mean[b, k, 0, 0, 0],
                                  &deviation[b, k, 0, 0, 0], &least[b, k, 0], &dx[b, k, 0, 0, 0],
                                  maps + threadid() * slot, lines + threadid() * 3 * g.row)


cdef void backward_rows(Job *g, int phase, const real *x, const real *dy, const real *mean, const real *deviation,
                        const real *least, real *dx, real *maps, real *lines) noexcept nogil:
    cdef int i
    for i in range(g.x_rows):
        backward_row(g, phase, i, x, dy, mean, deviation, least, dx, maps, lines)


cdef void backward_row(Job *g, int phase, int i, const real *x, const real *dy, const real *mean, const real *deviation,
                       const real *least, real *dx, real *maps, real *lines) noexcept nogil:
    """Row i of one phase: 0 sums dy, dy v and v over maps, 1 makes dq, 2 takes it back to v, 3 writes dx."""
    cdef real *total = maps + g.x_rows * g.row                   # sum of dv over maps
    cdef real *twice = maps + 2 * g.x_rows * g.row               # sum of v, then 2 A^T(dq)
    cdef real *sums = maps + 3 * g.x_rows * g.row                # of e under the floor, per row and lane
    cdef real *level = lines + g.row
    cdef real *inverse = lines + 2 * g.row
    cdef ptrdiff_t v_row = g.v_columns * g.lanes, y_row = g.y_columns * g.lanes, v_inset = g.v_inset * g.lanes
    cdef ptrdiff_t y_inset = g.y_inset * g.lanes, j
    cdef int c, r = i - g.y_inset
    cdef real share = <real>1 / g.maps, most = <real>(1 / TINY), v
    cdef const real *source
    cdef const real *delta
    cdef real *e
    if phase == 0 and i < g.v_rows:
        total = total + i * v_row
        twice = twice + i * v_row
        for j in range(v_row):
            total[j] = 0
            twice[j] = 0
        if not g.divide:
            for c in range(g.maps):
                delta = dy + c * g.y_channel + i * g.y_row
                for j in range(v_row):
                    total[j] += delta[j]
            for j in range(v_row):
                total[j] = total[j] * share
            return
        repeat(x if g.anchored else NULL, level, v_row, g.lanes)
        mean = mean + i * v_row
        if g.subtract:
            for c in range(g.maps):
                source = x + c * g.x_channel + (i + g.v_inset) * g.x_row + v_inset
                for j in range(v_row):
                    twice[j] += (source[j] - level[j]) - mean[j]
        if r < 0 or r >= g.y_rows:
            return
        total = total + y_inset
        mean = mean + y_inset
        e = maps + r * y_row
        for j in range(y_row):
            e[j] = 0
        for c in range(g.maps):
            source = x + c * g.x_channel + (i + g.v_inset) * g.x_row + v_inset + y_inset
            delta = dy + c * g.y_channel + r * g.y_row
            for j in range(y_row):
                total[j] += delta[j]
                e[j] += delta[j] * ((source[j] - level[j]) - mean[j])
        deviation = deviation + r * y_row
        invert(g, deviation, least, inverse)
        repeat(least, level, y_row, g.lanes)
        for j in range(y_row):
            total[j] = total[j] * inverse[j]
        for j in range(y_row):                                   # no gradient where 1e-6 divides
            e[j] = -e[j] * inverse[j] * inverse[j] * (<real>1 if inverse[j] < most else <real>0)
        for j in range(y_row):                                   # products, as GCC makes no vectors of choices here
            v = <real>1 if deviation[j] > level[j] else <real>0
            lines[j] = e[j] * (1 - v)
            e[j] = e[j] * v
        add_pixels(lines, g.y_columns, g.lanes, sums + r * g.lanes)
    elif phase == 1 and g.divide and i < g.y_rows:
        e = maps + i * y_row
        deviation = deviation + i * y_row
        if g.floor < 0:
            floor_of(g, sums, lines)
        repeat(lines if g.floor < 0 else NULL, level, y_row, g.lanes)
        for j in range(y_row):
            v = deviation[j] if deviation[j] > 0 else <real>1
            e[j] = (e[j] + level[j]) * share / (v + v) * (<real>1 if deviation[j] > 0 else <real>0)
    elif phase == 2 and g.divide and i < g.v_rows:
        filter_row(maps, y_row, g.y_columns, g.y_down, i, g.y_across, lines, level, g.v_columns, g.lanes)
        total = total + i * v_row
        twice = twice + i * v_row
        for j in range(v_row):
            v = level[j] + level[j]
            total[j] = (total[j] + v * twice[j]) * share
            twice[j] = v
    elif phase == 3:
        if g.subtract:
            filter_row(total, v_row, g.v_columns, g.v_down, i, g.v_across, lines, level, g.x_columns, g.lanes)
        else:
            repeat(<const real *>NULL, level, g.row, g.lanes)
        write_dx(g, i, x, dy, mean, deviation, least, dx, twice, lines, level, inverse)
