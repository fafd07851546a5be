"""The size of what a window leaves of a map: the only place that knows."""

from __future__ import annotations

from cnncli.errors import ShapeError


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, ceil_mode: bool = False) -> int:
    """Positions of a window along one axis.

    floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1; with `ceil_mode` rounded up, less a window that
    would start beyond the map and its first padding.

    Raises
    ------
    ShapeError
        If the window is larger than the padded map.
    """
    reach = dilation * (kernel - 1) + 1
    room = size + 2 * padding - reach
    if room < 0:
        padded = f" (with padding {padding})" if padding else ""
        raise ShapeError(f"a kernel of {reach} does not fit a map of {size}{padded}")
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count
