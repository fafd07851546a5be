# Two or three activations of one shape, walked as rows: every row of a map is one contiguous run of columns x lanes.
from cnncli._fast._types cimport real


cdef inline Py_ssize_t run_of(const Py_ssize_t *shape, const Py_ssize_t *strides, Py_ssize_t item) except -1:
    """Length of a row in elements, after making sure that its columns and lanes lie side by side."""
    if strides[4] != item or (strides[3] != shape[4] * item and shape[3] > 1):
        raise ValueError("columns and lanes must be contiguous")
    return shape[3] * shape[4]


cdef inline Py_ssize_t same(const Py_ssize_t *shape, const Py_ssize_t *strides, const Py_ssize_t *other_shape,
                            const Py_ssize_t *other_strides, Py_ssize_t item) except -1:
    """Length of a row of two arrays of one shape (the number of blocks may differ)."""
    cdef int i
    for i in range(1, 5):
        if shape[i] != other_shape[i]:
            raise ValueError("the arrays differ in shape")
    run_of(other_shape, other_strides, item)
    return run_of(shape, strides, item)
