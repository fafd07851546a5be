/* Pixels of all images at once: weighted sums, the inner step of every fixed linear filter, and two plain sums.
 *
 * Written with vector types because GCC's unroll-and-jam turns the plain loops into scalar code. The file includes itself
 * once for each element type and number of lanes (the second half).
 */
#ifndef CNNCLI_LANES_H
#define CNNCLI_LANES_H

#include "vectors.h"

#define EACH_OF(v, n) _Pragma("GCC unroll 16") for (int v = 0; v < (n); v++)
#define EACH_VECTOR EACH_OF(v, VECTORS)
#define AT_A_TIME 8 /* vectors */

#define SUFFIX f32
#define REAL float
#define LANE_COUNT 32
#include "lanes.h"

#define SUFFIX f32x8
#define REAL float
#define LANE_COUNT 8
#include "lanes.h"

#define SUFFIX f64
#define REAL double
#define LANE_COUNT 32
#include "lanes.h"

#define SUFFIX f64x8
#define REAL double
#define LANE_COUNT 8
#include "lanes.h"

#else /* the template ------------------------------------------------------------------------------------------ */

#define BYTES (LANE_COUNT * sizeof(REAL) < VECTOR_BYTES ? LANE_COUNT * sizeof(REAL) : VECTOR_BYTES)
#define V ((int)(BYTES / sizeof(REAL)))
#define VECTORS (LANE_COUNT / V)
#define TOGETHER (VECTORS < AT_A_TIME ? AT_A_TIME / VECTORS : 1) /* pixels */
#define VEC NAME(lanes_vec)
typedef REAL VEC __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

/* out[i] = sum_t weight[t] * x[source[t] * step + i] for `vectors` vectors side by side */
ALWAYS_INLINE void NAME(weigh_vectors)(REAL *restrict out, const REAL *restrict x, ptrdiff_t step,
                                       const int32_t *restrict source, const double *restrict weight, int taps,
                                       int vectors) {
    VEC acc[TOGETHER * VECTORS];
    EACH_OF(v, vectors) acc[v] = (VEC){};
    for (int t = 0; t < taps; t++) {
        const REAL *from = x + source[t] * step, w = (REAL)weight[t];
        EACH_OF(v, vectors) acc[v] += w * *(const VEC *)(from + v * V);
    }
    EACH_OF(v, vectors) *(VEC *)(out + v * V) = acc[v];
}

/* The same for the lanes of `pixels` pixels side by side, several of them at a time. */
static inline void NAME(weigh)(REAL *restrict out, const REAL *restrict x, ptrdiff_t step,
                               const int32_t *restrict source, const double *restrict weight, int taps, int pixels) {
    int p = 0;
    for (; p + TOGETHER <= pixels; p += TOGETHER, x += TOGETHER * LANE_COUNT, out += TOGETHER * LANE_COUNT) {
        NAME(weigh_vectors)(out, x, step, source, weight, taps, TOGETHER * VECTORS);
    }
    for (; p < pixels; p++, x += LANE_COUNT, out += LANE_COUNT) {
        NAME(weigh_vectors)(out, x, step, source, weight, taps, VECTORS);
    }
}

/* out[lane] = sum over `pixels` neighbouring pixels of x */
static inline void NAME(add_pixels)(REAL *restrict out, const REAL *restrict x, int pixels) {
    VEC acc[VECTORS];
    EACH_VECTOR acc[v] = (VEC){};
    for (int p = 0; p < pixels; p++, x += LANE_COUNT) {
        EACH_VECTOR acc[v] += *(const VEC *)(x + v * V);
    }
    EACH_VECTOR *(VEC *)(out + v * V) = acc[v];
}

/* y = (x - a) - b over `pixels` pixels; y may be x */
static inline void NAME(take_off)(REAL *y, const REAL *x, const REAL *restrict a, const REAL *restrict b, int pixels) {
    INDEPENDENT for (ptrdiff_t i = 0; i < (ptrdiff_t)pixels * LANE_COUNT; i++) y[i] = (x[i] - a[i]) - b[i];
}

#undef BYTES
#undef V
#undef VECTORS
#undef TOGETHER
#undef VEC
#undef SUFFIX
#undef REAL
#undef LANE_COUNT
#endif
