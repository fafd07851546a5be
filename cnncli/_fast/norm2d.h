/* Batch normalisation over rows of one map: sums per lane, and the two ways to apply statistics to samples.
 *
 * A row is `columns` pixels of all images of a block. Sums are kept for each lane, in two chains per lane (even and odd
 * columns) that hide the latency of additions. With `rectified` a ReLU stands behind the normalisation: forward cuts at 0,
 * backward takes only the gradients where the output was positive, which it computes again by the same operations. The file
 * includes itself once for each element type and number of lanes (the second half).
 */
#ifndef CNNCLI_NORM2D_H
#define CNNCLI_NORM2D_H

#include "vectors.h"

#define SUFFIX f32
#define REAL float
#define LANE_COUNT 32
#include "norm2d.h"

#define SUFFIX f32x8
#define REAL float
#define LANE_COUNT 8
#include "norm2d.h"

#define SUFFIX f64
#define REAL double
#define LANE_COUNT 32
#include "norm2d.h"

#define SUFFIX f64x8
#define REAL double
#define LANE_COUNT 8
#include "norm2d.h"

#else /* the template ------------------------------------------------------------------------------------------ */

#define BYTES (LANE_COUNT * sizeof(REAL) < VECTOR_BYTES ? LANE_COUNT * sizeof(REAL) : VECTOR_BYTES)
#define V ((int)(BYTES / sizeof(REAL)))
#define VECTORS (LANE_COUNT / V)
#define VEC NAME(norm_vec)
#define AT(p, v) (*(VEC *)((p) + (v) * V))
#define GET(p, v) (*(const VEC *)((p) + (v) * V))
typedef REAL VEC __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

ALWAYS_INLINE VEC NAME(where_positive)(VEC y, VEC d) { return (VEC)((y > 0) & (__typeof__(y > 0))d); }
ALWAYS_INLINE VEC NAME(cut)(VEC x) { return (VEC)(~(x < 0) & (__typeof__(x < 0))x); } /* NaN stays NaN */
ALWAYS_INLINE VEC NAME(normalized)(VEC x, REAL centre, REAL scale, REAL shift) { return (x - centre) * scale + shift; }

/* first[lane] += sum of d, second[lane] += sum of d (x - centre) over a row, with d = dy or, without dy, x - centre */
ALWAYS_INLINE void NAME(sums)(const REAL *x, const REAL *dy, int columns, REAL centre, REAL scale, REAL shift,
                              int gradient, int rectified, double *first, double *second) {
    VEC one[2][VECTORS], two[2][VECTORS];
    REAL total[LANE_COUNT];
    UNROLL for (int v = 0; v < VECTORS; v++) one[0][v] = one[1][v] = two[0][v] = two[1][v] = (VEC){};
    for (int j = 0; j < columns; j += 2) {
        UNROLL for (int side = 0; side < 2; side++) {
            if (side && j + 1 == columns) break;
            UNROLL for (int v = 0; v < VECTORS; v++) {
                const ptrdiff_t at = (ptrdiff_t)(j + side) * LANE_COUNT;
                const VEC value = GET(x + at, v), difference = value - centre;
                VEC d = gradient ? GET(dy + at, v) : difference;
                if (rectified) d = NAME(where_positive)(NAME(normalized)(value, centre, scale, shift), d);
                one[side][v] += d;
                two[side][v] += d * difference;
            }
        }
    }
    UNROLL for (int v = 0; v < VECTORS; v++) AT(total, v) = one[0][v] + one[1][v];
    for (int l = 0; l < LANE_COUNT; l++) first[l] += total[l];
    UNROLL for (int v = 0; v < VECTORS; v++) AT(total, v) = two[0][v] + two[1][v];
    for (int l = 0; l < LANE_COUNT; l++) second[l] += total[l];
}

OWN_FUNCTION void NAME(norm_sums)(const REAL *x, int columns, REAL centre, double *first, double *second) {
    NAME(sums)(x, x, columns, centre, 1, 0, 0, 0, first, second);
}

OWN_FUNCTION void NAME(norm_gradient_sums)(const REAL *x, const REAL *dy, int columns, REAL centre, REAL scale,
                                           REAL shift, int rectified, double *first, double *second) {
    if (rectified) NAME(sums)(x, dy, columns, centre, scale, shift, 1, 1, first, second);
    else NAME(sums)(x, dy, columns, centre, scale, shift, 1, 0, first, second);
}

/* y = (x - centre) scale + shift */
OWN_FUNCTION void NAME(norm_apply)(const REAL *x, REAL *y, int columns, REAL centre, REAL scale, REAL shift,
                                   int rectified) {
    for (ptrdiff_t i = 0; i < (ptrdiff_t)columns * LANE_COUNT; i += LANE_COUNT) {
        UNROLL for (int v = 0; v < VECTORS; v++) {
            const VEC value = NAME(normalized)(GET(x + i, v), centre, scale, shift);
            AT(y + i, v) = rectified ? NAME(cut)(value) : value;
        }
    }
}

/* dx = (dy - level - (x - centre) slope) scale */
OWN_FUNCTION void NAME(norm_gradient)(const REAL *x, const REAL *dy, REAL *dx, int columns, REAL centre, REAL scale,
                                      REAL shift, REAL level, REAL slope, int rectified) {
    for (ptrdiff_t i = 0; i < (ptrdiff_t)columns * LANE_COUNT; i += LANE_COUNT) {
        UNROLL for (int v = 0; v < VECTORS; v++) {
            const VEC value = GET(x + i, v);
            VEC d = GET(dy + i, v);
            if (rectified) d = NAME(where_positive)(NAME(normalized)(value, centre, scale, shift), d);
            AT(dx + i, v) = (d - level - (value - centre) * slope) * scale;
        }
    }
}

#undef BYTES
#undef V
#undef VECTORS
#undef VEC
#undef AT
#undef GET
#undef SUFFIX
#undef REAL
#undef LANE_COUNT
#endif
