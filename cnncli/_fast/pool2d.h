/* One window of a pooling layer, over all lanes: the number of lanes is a constant in every loop, and what a window
 * works on lies in local arrays, so that the compiler makes vector code of them. Places are counted in REAL, which
 * holds all 65,536 of them exactly and is as wide as what it is chosen with.
 *
 * A window is `rows` x `columns` pixels at x, row by row `x_row` elements apart; `first` is the place of its first
 * pixel, and a row of places is `kernel_w` long (a window that hangs over the edge of the map is a part of its kernel).
 */
#ifndef CNNCLI_POOL2D_H
#define CNNCLI_POOL2D_H

#include <stddef.h>
#include <stdint.h>

#include "template.h"

#define NOWHERE 65535 /* no place of a window */

#define REAL float
#define SUFFIX f32
#include "pool2d.h"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "pool2d.h"
#undef REAL
#undef SUFFIX

#else /* the template ------------------------------------------------------------------------------------------ */

#define EACH_LANE for (int l = 0; l < lanes; l++)
#define EACH_PIXEL                                                                                                     \
    for (int p = 0; p < rows; p++)                                                                                     \
        for (int q = 0; q < columns; q++)

/* A function of a window for a fixed number of lanes, 32 or 8. */
#define FOR_LANES(call32, call8)                                                                                       \
    do {                                                                                                               \
        if (lanes == 32) call32;                                                                                       \
        else call8;                                                                                                    \
    } while (0)

ALWAYS_INLINE void NAME(max_lanes)(int lanes, const REAL *restrict x, ptrdiff_t x_row, int rows, int columns, int first,
                                   int kernel_w, int rectified, REAL *restrict y, uint16_t *restrict place) {
    REAL best[32], where[32];
    EACH_LANE {
        best[l] = x[l];
        where[l] = first;
    }
    EACH_PIXEL {
        const REAL *pixel = x + p * x_row + q * lanes;
        const REAL here = first + p * kernel_w + q;
        EACH_LANE {
            const int better = (pixel[l] > best[l]) | (pixel[l] != pixel[l]);
            best[l] = better ? pixel[l] : best[l];
            where[l] = better ? here : where[l];
        }
    }
    if (rectified) {
        EACH_LANE where[l] = best[l] > 0 ? where[l] : NOWHERE;
        EACH_LANE best[l] = best[l] < 0 ? 0 : best[l];
    }
    EACH_LANE y[l] = best[l];
    EACH_LANE place[l] = (uint16_t)(int32_t)where[l];
}

/* y = the maximum, place = where it is: the first in row-major order, NaN before all numbers; `rectified`: y is cut at 0, and
 * what does not lie above it lies nowhere */
OWN_FUNCTION void NAME(max_window)(int lanes, const REAL *x, ptrdiff_t x_row, int rows, int columns, int first,
                                   int kernel_w, int rectified, REAL *y, uint16_t *place) {
    FOR_LANES(NAME(max_lanes)(32, x, x_row, rows, columns, first, kernel_w, rectified, y, place),
              NAME(max_lanes)(8, x, x_row, rows, columns, first, kernel_w, rectified, y, place));
}

ALWAYS_INLINE void NAME(max_backward_lanes)(int lanes, const REAL *restrict dy, const uint16_t *restrict place, int add,
                                            REAL *restrict dx, ptrdiff_t x_row, int rows, int columns, int first,
                                            int kernel_w) {
    REAL where[32], delta[32];
    EACH_LANE where[l] = (int32_t)place[l];
    EACH_LANE delta[l] = dy[l];
    EACH_PIXEL {
        REAL *pixel = dx + p * x_row + q * lanes;
        const REAL here = first + p * kernel_w + q;
        if (add) EACH_LANE pixel[l] += where[l] == here ? delta[l] : 0;
        else EACH_LANE pixel[l] = where[l] == here ? delta[l] : 0;
    }
}

/* dx (+)= dy at its place, 0 at the others */
OWN_FUNCTION void NAME(max_window_backward)(int lanes, const REAL *dy, const uint16_t *place, int add, REAL *dx,
                                            ptrdiff_t x_row, int rows, int columns, int first, int kernel_w) {
    FOR_LANES(NAME(max_backward_lanes)(32, dy, place, add, dx, x_row, rows, columns, first, kernel_w),
              NAME(max_backward_lanes)(8, dy, place, add, dx, x_row, rows, columns, first, kernel_w));
}

ALWAYS_INLINE void NAME(avg_lanes)(int lanes, const REAL *restrict x, ptrdiff_t x_row, int rows, int columns,
                                   REAL *restrict y) {
    REAL sum[32] = {0};
    const REAL share = (REAL)1 / (rows * columns);
    EACH_PIXEL {
        const REAL *pixel = x + p * x_row + q * lanes;
        EACH_LANE sum[l] += pixel[l];
    }
    EACH_LANE y[l] = sum[l] * share;
}

/* y = the mean */
OWN_FUNCTION void NAME(avg_window)(int lanes, const REAL *x, ptrdiff_t x_row, int rows, int columns, REAL *y) {
    FOR_LANES(NAME(avg_lanes)(32, x, x_row, rows, columns, y), NAME(avg_lanes)(8, x, x_row, rows, columns, y));
}

ALWAYS_INLINE void NAME(avg_backward_lanes)(int lanes, const REAL *restrict dy, int add, REAL *restrict dx,
                                            ptrdiff_t x_row, int rows, int columns) {
    const REAL share = (REAL)1 / (rows * columns);
    REAL part[32];
    EACH_LANE part[l] = dy[l] * share;
    EACH_PIXEL {
        REAL *pixel = dx + p * x_row + q * lanes;
        if (add) EACH_LANE pixel[l] += part[l];
        else EACH_LANE pixel[l] = part[l];
    }
}

/* dx (+)= dy, spread evenly */
OWN_FUNCTION void NAME(avg_window_backward)(int lanes, const REAL *dy, int add, REAL *dx, ptrdiff_t x_row, int rows,
                                            int columns) {
    FOR_LANES(NAME(avg_backward_lanes)(32, dy, add, dx, x_row, rows, columns),
              NAME(avg_backward_lanes)(8, dy, add, dx, x_row, rows, columns));
}

#undef EACH_LANE
#undef EACH_PIXEL
#undef FOR_LANES

#endif
