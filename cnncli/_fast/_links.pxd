# The connections of a table (`table_conv2d.pyx`) by the maps that a pass reads, and their weights in that order.
from libc.stdint cimport int32_t

from cnncli._fast._microkernel cimport TILE, part_count, part_start
from cnncli._fast._types cimport real


cdef struct Links:
    # The connections by the map that they read: those of map c from begin[c] on.
    int maps
    const int32_t *begin
    const int32_t *which         # connection
    const int32_t *to            # offset in elements of the map that it adds to


cdef inline Links by_input(const int32_t[::1] sources, const int32_t[::1] starts, int inputs, ptrdiff_t y_channel,
                           int32_t *index) noexcept:
    """The connections of each input map, in the order of their outputs."""
    cdef int outputs = starts.shape[0] - 1, connections = sources.shape[0], c, o, n
    cdef int32_t *begin = index
    cdef int32_t *which = begin + inputs + 1
    cdef int32_t *to = which + connections
    for c in range(inputs + 1):
        begin[c] = 0
    for n in range(connections):
        begin[sources[n] + 1] += 1
    for c in range(inputs):
        begin[c + 1] += begin[c]
    for o in range(outputs):
        for n in range(starts[o], starts[o + 1]):
            which[begin[sources[n]]] = n
            to[begin[sources[n]]] = <int32_t>(o * y_channel)
            begin[sources[n]] += 1
    for c in range(inputs, 0, -1):
        begin[c] = begin[c - 1]
    begin[0] = 0
    return Links(inputs, begin, which, to)


cdef inline Links by_output(const int32_t[::1] sources, const int32_t[::1] starts, ptrdiff_t x_channel,
                            int32_t *index) noexcept:
    """The connections of each output map."""
    cdef int connections = sources.shape[0], n
    cdef int32_t *to = index + connections
    for n in range(connections):
        index[n] = n
        to[n] = <int32_t>(sources[n] * x_channel)
    return Links(starts.shape[0] - 1, &starts[0], index, to)


cdef inline void pack(Links links, const real *w, int kernel, const int32_t *order, int taps,
                      real *packed) noexcept nogil:
    """packed = [map][tile of its connections][tap][connection within the tile]."""
    cdef int c, t, k, n, first, last
    for c in range(links.maps):
        for t in range(part_count(links.begin[c + 1] - links.begin[c], TILE)):
            first = links.begin[c] + part_start(links.begin[c + 1] - links.begin[c], TILE, t)
            last = links.begin[c] + part_start(links.begin[c + 1] - links.begin[c], TILE, t + 1)
            for k in range(taps):
                for n in range(first, last):
                    packed[0] = w[links.which[n] * kernel + order[k]]
                    packed = packed + 1
