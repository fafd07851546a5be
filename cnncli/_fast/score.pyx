"""What is counted of every batch: the mean loss, and how many images were classified right."""
from libc.stdint cimport int32_t

from cnncli._fast._types cimport real


def mean_loss(const double[::1] losses, int lanes, int n):
    """Mean over the n valid images: lanes of a block by a fixed tree of halves, blocks by a fixed tree over their index.

    losses: IN; one element per lane, zero beyond n.
    """
    cdef double[32] lane
    cdef double[32] stack                      # sums of finished pairs of blocks, the newest on top
    cdef int blocks = (n + lanes - 1) // lanes, b, pairs, half, i, top = -1
    with nogil:
        for b in range(blocks):
            for i in range(lanes):
                lane[i] = losses[b * lanes + i]
            half = lanes // 2
            while half > 0:
                for i in range(half):
                    lane[i] += lane[i + half]
                half = half // 2
            top = top + 1
            stack[top] = lane[0]
            pairs = b
            while pairs & 1:                   # as many merges as the number of blocks so far has trailing zeros
                top = top - 1
                stack[top] += stack[top + 1]
                pairs = pairs >> 1
        while top > 0:
            top = top - 1
            stack[top] += stack[top + 1]
    return stack[0] / n


def hits(const real[:, :, :, :, :] scores, const int32_t[::1] target, int n):
    """How many of the n valid images have their highest score (the first of equal ones) at their target."""
    cdef Py_ssize_t lanes = scores.shape[4], image, b, lane
    cdef int c, best, right = 0
    with nogil:
        for image in range(n):
            b = image // lanes
            lane = image % lanes
            best = 0
            for c in range(1, <int>scores.shape[1]):
                if scores[b, c, 0, 0, lane] > scores[b, best, 0, 0, lane]:
                    best = c
            if best == target[image]:
                right = right + 1
    return right
