/* Normalisation of every image by itself, over rows of one map: statistics are kept for each lane.
 *
 * A row is `columns` pixels of all images of a block. Weights are one of each per map (weight_step 0) or one per pixel
 * (weight_step 1). The file includes itself once for each element type and number of lanes (the second half).
 */
#ifndef CNNCLI_GROUPNORM_H
#define CNNCLI_GROUPNORM_H

#include "vectors.h"

#define SUFFIX f32
#define REAL float
#define LANE_COUNT 32
#include "groupnorm.h"

#define SUFFIX f32x8
#define REAL float
#define LANE_COUNT 8
#include "groupnorm.h"

#define SUFFIX f64
#define REAL double
#define LANE_COUNT 32
#include "groupnorm.h"

#define SUFFIX f64x8
#define REAL double
#define LANE_COUNT 8
#include "groupnorm.h"

#else /* the template ------------------------------------------------------------------------------------------ */

#define BYTES (LANE_COUNT * sizeof(REAL) < VECTOR_BYTES ? LANE_COUNT * sizeof(REAL) : VECTOR_BYTES)
#define V ((int)(BYTES / sizeof(REAL)))
#define VECTORS (LANE_COUNT / V)
#define VEC NAME(group_vec)
#define AT(p, v) (*(VEC *)((p) + (v) * V))
#define GET(p, v) (*(const VEC *)((p) + (v) * V))
#define EACH_VECTOR UNROLL for (int v = 0; v < VECTORS; v++)
typedef REAL VEC __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

/* total[lane] += sums of one row */
ALWAYS_INLINE void NAME(into)(double *total, const VEC *sums) {
    REAL row[LANE_COUNT];
    EACH_VECTOR AT(row, v) = sums[v];
    for (int l = 0; l < LANE_COUNT; l++) total[l] += row[l];
}

/* first[lane] += sum of x - centre, second[lane] += sum of its square */
OWN_FUNCTION void NAME(group_sums)(const REAL *x, int columns, const REAL *centre, double *first, double *second) {
    VEC one[VECTORS], two[VECTORS];
    EACH_VECTOR one[v] = two[v] = (VEC){};
    for (ptrdiff_t i = 0; i < (ptrdiff_t)columns * LANE_COUNT; i += LANE_COUNT) {
        EACH_VECTOR {
            const VEC difference = GET(x + i, v) - GET(centre, v);
            one[v] += difference;
            two[v] += difference * difference;
        }
    }
    NAME(into)(first, one);
    NAME(into)(second, two);
}

/* y = (x - mean) scale weight + bias */
OWN_FUNCTION void NAME(group_apply)(const REAL *x, REAL *y, int columns, const REAL *mean, const REAL *scale,
                                    const REAL *weight, const REAL *bias, int weight_step) {
    for (int j = 0; j < columns; j++, x += LANE_COUNT, y += LANE_COUNT) {
        const REAL w = weight[j * weight_step], shift = bias[j * weight_step];
        EACH_VECTOR AT(y, v) = (GET(x, v) - GET(mean, v)) * GET(scale, v) * w + shift;
    }
}

/* first[lane] += sum of dy weight, second[lane] += sum of dy weight (x - mean) scale */
OWN_FUNCTION void NAME(group_gradient_sums)(const REAL *x, const REAL *dy, int columns, const REAL *mean,
                                            const REAL *scale, const REAL *weight, int weight_step, double *first,
                                            double *second) {
    VEC one[VECTORS], two[VECTORS];
    EACH_VECTOR one[v] = two[v] = (VEC){};
    for (int j = 0; j < columns; j++, x += LANE_COUNT, dy += LANE_COUNT) {
        const REAL w = weight[j * weight_step];
        EACH_VECTOR {
            const VEC d = GET(dy, v) * w;
            one[v] += d;
            two[v] += d * (GET(x, v) - GET(mean, v)) * GET(scale, v);
        }
    }
    NAME(into)(first, one);
    NAME(into)(second, two);
}

/* dx = (dy weight - level - (x - mean) scale slope) scale */
OWN_FUNCTION void NAME(group_gradient)(const REAL *x, const REAL *dy, REAL *dx, int columns, const REAL *mean,
                                       const REAL *scale, const REAL *weight, int weight_step, const REAL *level,
                                       const REAL *slope) {
    for (int j = 0; j < columns; j++, x += LANE_COUNT, dy += LANE_COUNT, dx += LANE_COUNT) {
        const REAL w = weight[j * weight_step];
        EACH_VECTOR {
            const VEC s = GET(scale, v), normal = (GET(x, v) - GET(mean, v)) * s;
            AT(dx, v) = (GET(dy, v) * w - GET(level, v) - normal * GET(slope, v)) * s;
        }
    }
}

#undef BYTES
#undef V
#undef VECTORS
#undef VEC
#undef AT
#undef GET
#undef EACH_VECTOR
#undef SUFFIX
#undef REAL
#undef LANE_COUNT
#endif
