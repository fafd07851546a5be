# The one rule for sums over images: blocks are added by a fixed binary tree over their index.
from cython.parallel cimport prange

from cnncli._fast._types cimport real


cdef inline int team(int threads, double work) noexcept nogil:
    """Threads worth waking for this much work (elements touched, or multiply-adds / 8).

    A barrier costs a microsecond, but thirty where the others have fallen asleep since the last one: in a step of a tiny
    network they always have.
    """
    return threads if work > 20000 else 1


cdef inline void add_blocks(real *partial, ptrdiff_t size, int blocks, int threads) noexcept nogil:
    """partial[0] = sum of partial[0 .. blocks-1], each of `size` elements; the others are used up."""
    cdef ptrdiff_t j, first, last
    cdef int step, b, piece
    cdef int pieces = <int>((size + 4095) // 4096)
    if blocks == 1:
        return
    for piece in prange(pieces, num_threads=team(threads, <double>size * blocks), schedule="static"):
        first = <ptrdiff_t>piece * 4096
        last = first + 4096 if first + 4096 < size else size
        step = 1
        while step < blocks:
            b = 0
            while b + step < blocks:
                for j in range(first, last):
                    partial[b * size + j] += partial[(b + step) * size + j]
                b = b + 2 * step
            step = step * 2
