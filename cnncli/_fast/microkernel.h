/* The register tiles on which convolution and fully connected layers run.
 *
 * Design
 * a) Images are innermost, so a vector register always holds the same pixel of V images: no borders, no shuffles.
 * b) TILE outputs x 2 vectors fill the registers (16 of them: 6 x 2 accumulators, 32: 12 x 2); tiles of fewer outputs take more
 *    vectors, so that enough independent accumulators hide the latency of a fused multiply-add.
 * c) The taps are a list of offsets. Stride, dilation, groups, flips, connection tables and whole feature maps are other lists.
 * d) Every tile is a function of its own: inlined into the loops around it, GCC spills the accumulators.
 * e) Each lane sees one order of additions, that of k, whatever the tile: results depend on neither batch nor threads.
 *
 * The file includes itself once per element type and vector width (the second half); 8 lanes of float need a narrower vector
 * than AVX-512 has.
 */
#ifndef CNNCLI_MICROKERNEL_H
#define CNNCLI_MICROKERNEL_H

#include "vectors.h"

#if defined(__AVX512F__) || defined(__ARM_NEON)
#define TILE 12
#define GRAD_OUT 5
#define GRAD_TAP 5
#else
#define TILE 6
#define GRAD_OUT 4
#define GRAD_TAP 3
#endif

/* How a tile starts: from zero, from one bias per output, or from what the output already holds; with RECTIFY added it ends
 * cut at 0. */
enum { START_ZERO = 0, START_BIAS = 1, START_Y = 2, RECTIFY = 4 };

#define TEMPLATE "microkernel.h"
#include "instances.h"
#if VECTOR_BYTES <= 32
#define tile_run_f32x8 tile_run_f32
#define gradient_run_f32x8 gradient_run_f32
#define map_sum_f32x8 map_sum_f32
#endif

#else /* the template ------------------------------------------------------------------------------------------------------ */

#define VEC NAME(vec)
#define V ((int)(WIDTH / sizeof(REAL)))
#define AHEAD ((int)(128 / sizeof(REAL)))

/* y[yo[o] + v*ys + lane] (+)= sum_k w[k*wk + o] * x[off[k] + v*xs + lane]   for o < outputs, v < vectors */
ALWAYS_INLINE void NAME(tile_body)(int outputs, int vectors, const REAL *restrict w, ptrdiff_t wk,
                                   const int32_t *restrict off, int taps, const REAL *restrict x, ptrdiff_t xs,
                                   REAL *restrict y, const int32_t *restrict yo, ptrdiff_t ys,
                                   const REAL *restrict bias, int start) {
    VEC acc[TILE][8];
    const int rectified = start & RECTIFY;
    start &= ~RECTIFY;
    if (start == START_Y) {
        UNROLL for (int o = 0; o < outputs; o++) {
            UNROLL for (int v = 0; v < vectors; v++) acc[o][v] = *(const VEC *)(y + yo[o] + v * ys);
        }
    } else {
        UNROLL for (int o = 0; o < outputs; o++) {
            const REAL first = start == START_BIAS ? bias[o] : 0;
            UNROLL for (int v = 0; v < vectors; v++) acc[o][v] = (VEC){} + first;
        }
    }
    for (int k = 0; k < taps; k++) {
        const REAL *xk = x + off[k];
        VEC xv[8];
        __builtin_prefetch(xk + AHEAD); /* so many strided streams are beyond what the hardware foresees */
        UNROLL for (int v = 0; v < vectors; v++) xv[v] = *(const VEC *)(xk + v * xs);
        UNROLL for (int o = 0; o < outputs; o++) {
            UNROLL for (int v = 0; v < vectors; v++) acc[o][v] += w[o] * xv[v];
        }
        w += wk;
    }
    if (rectified) {
        UNROLL for (int o = 0; o < outputs; o++) {
            UNROLL for (int v = 0; v < vectors; v++) acc[o][v] = NAME(rectify)(acc[o][v]);
        }
    }
    UNROLL for (int o = 0; o < outputs; o++) {
        UNROLL for (int v = 0; v < vectors; v++) *(VEC *)(y + yo[o] + v * ys) = acc[o][v];
    }
}

typedef void (*NAME(tile_fn))(const REAL *, ptrdiff_t, const int32_t *, int, const REAL *, ptrdiff_t, REAL *,
                              const int32_t *, ptrdiff_t, const REAL *, int);

#define TILE_OF(outputs, vectors)                                                                                      \
    OWN_FUNCTION void NAME(tile_##outputs##_##vectors)(const REAL *w, ptrdiff_t wk, const int32_t *off, int taps,      \
                                                       const REAL *x, ptrdiff_t xs, REAL *y, const int32_t *yo,        \
                                                       ptrdiff_t ys, const REAL *bias, int start) {                    \
        NAME(tile_body)(outputs, vectors, w, wk, off, taps, x, xs, y, yo, ys, bias, start);                            \
    }
TILE_OF(1, 1) TILE_OF(1, 2) TILE_OF(1, 4) TILE_OF(1, 8)
TILE_OF(2, 1) TILE_OF(2, 2) TILE_OF(2, 4)
TILE_OF(3, 1) TILE_OF(3, 2) TILE_OF(3, 4)
TILE_OF(4, 1) TILE_OF(4, 2) TILE_OF(5, 1) TILE_OF(5, 2) TILE_OF(6, 1) TILE_OF(6, 2)
#if TILE == 12
TILE_OF(2, 8) TILE_OF(3, 8) TILE_OF(4, 4) TILE_OF(5, 4) TILE_OF(6, 4)
TILE_OF(7, 1) TILE_OF(7, 2) TILE_OF(8, 1) TILE_OF(8, 2) TILE_OF(9, 1) TILE_OF(9, 2)
TILE_OF(10, 1) TILE_OF(10, 2) TILE_OF(11, 1) TILE_OF(11, 2) TILE_OF(12, 1) TILE_OF(12, 2)
#endif

#define T(o, v) NAME(tile_##o##_##v)
/* [outputs - 1][log2 of vectors]; where a tile does not exist the next narrower one is never skipped over */
static const NAME(tile_fn) NAME(tiles)[TILE][4] = {
    {T(1, 1), T(1, 2), T(1, 4), T(1, 8)},
#if TILE == 12
    {T(2, 1), T(2, 2), T(2, 4), T(2, 8)}, {T(3, 1), T(3, 2), T(3, 4), T(3, 8)},
    {T(4, 1), T(4, 2), T(4, 4), 0}, {T(5, 1), T(5, 2), T(5, 4), 0}, {T(6, 1), T(6, 2), T(6, 4), 0},
    {T(7, 1), T(7, 2), 0, 0}, {T(8, 1), T(8, 2), 0, 0}, {T(9, 1), T(9, 2), 0, 0},
    {T(10, 1), T(10, 2), 0, 0}, {T(11, 1), T(11, 2), 0, 0}, {T(12, 1), T(12, 2), 0, 0},
#else
    {T(2, 1), T(2, 2), T(2, 4), 0}, {T(3, 1), T(3, 2), T(3, 4), 0},
    {T(4, 1), T(4, 2), 0, 0}, {T(5, 1), T(5, 2), 0, 0}, {T(6, 1), T(6, 2), 0, 0},
#endif
};
#undef T
#undef TILE_OF

/* A run of `vectors` vectors at distance xs in x and ys in y, for one tile of outputs. */
OWN_FUNCTION void NAME(tile_run)(int outputs, int vectors, const REAL *w, ptrdiff_t wk, const int32_t *off, int taps,
                                 const REAL *x, ptrdiff_t xs, REAL *y, const int32_t *yo, ptrdiff_t ys,
                                 const REAL *bias, int start) {
    const NAME(tile_fn) *row = NAME(tiles)[outputs - 1];
    int widest = 3;
    while (!row[widest]) widest--;
    while (vectors > 0) {
        while ((1 << widest) > vectors) widest--;
        row[widest](w, wk, off, taps, x, xs, y, yo, ys, bias, start);
        x += xs << widest;
        y += ys << widest;
        vectors -= 1 << widest;
    }
}

/* acc[o*ao + k*V ...] += sum over pixels and vectors of dy[yo[o] + ...] * x[off[k] + ...]: a tile of the weights' gradient,
 * kept as one vector per weight; its lanes are added up only once. */
ALWAYS_INLINE void NAME(gradient_body)(int outputs, int taps, const REAL *restrict dy, const int32_t *restrict yo,
                                       ptrdiff_t ys, const REAL *restrict x, const int32_t *restrict off, ptrdiff_t xs,
                                       int runs, int vectors, REAL *restrict sums, ptrdiff_t ao) {
    VEC acc[GRAD_OUT][GRAD_TAP];
    const REAL *xk[GRAD_TAP], *yk[GRAD_OUT];
    UNROLL for (int k = 0; k < taps; k++) xk[k] = x + off[k];
    UNROLL for (int o = 0; o < outputs; o++) yk[o] = dy + yo[o];
    UNROLL for (int o = 0; o < outputs; o++) {
        UNROLL for (int k = 0; k < taps; k++) acc[o][k] = *(const VEC *)(sums + o * ao + k * V);
    }
    for (int r = 0; r < runs; r++) {
        for (ptrdiff_t i = 0; i < (ptrdiff_t)vectors * V; i += V) {
            VEC xv[GRAD_TAP];
            UNROLL for (int k = 0; k < taps; k++) xv[k] = *(const VEC *)(xk[k] + i);
            UNROLL for (int o = 0; o < outputs; o++) {
                const VEC d = *(const VEC *)(yk[o] + i);
                UNROLL for (int k = 0; k < taps; k++) acc[o][k] += d * xv[k];
            }
        }
        UNROLL for (int k = 0; k < taps; k++) xk[k] += xs;
        UNROLL for (int o = 0; o < outputs; o++) yk[o] += ys;
    }
    UNROLL for (int o = 0; o < outputs; o++) {
        UNROLL for (int k = 0; k < taps; k++) *(VEC *)(sums + o * ao + k * V) = acc[o][k];
    }
}

typedef void (*NAME(gradient_fn))(const REAL *, const int32_t *, ptrdiff_t, const REAL *, const int32_t *, ptrdiff_t,
                                  int, int, REAL *, ptrdiff_t);

#define GRADIENT_OF(outputs, taps)                                                                                     \
    OWN_FUNCTION void NAME(gradient_##outputs##_##taps)(const REAL *dy, const int32_t *yo, ptrdiff_t ys,               \
                                                        const REAL *x, const int32_t *off, ptrdiff_t xs, int runs,     \
                                                        int vectors, REAL *sums, ptrdiff_t ao) {                       \
        NAME(gradient_body)(outputs, taps, dy, yo, ys, x, off, xs, runs, vectors, sums, ao);                           \
    }
#define G(o, k) NAME(gradient_##o##_##k)
#if GRAD_TAP == 5
#define GRADIENT_ROW(o) GRADIENT_OF(o, 1) GRADIENT_OF(o, 2) GRADIENT_OF(o, 3) GRADIENT_OF(o, 4) GRADIENT_OF(o, 5)
#define G_ROW(o) {G(o, 1), G(o, 2), G(o, 3), G(o, 4), G(o, 5)}
GRADIENT_ROW(1) GRADIENT_ROW(2) GRADIENT_ROW(3) GRADIENT_ROW(4) GRADIENT_ROW(5)
static const NAME(gradient_fn) NAME(gradients)[5][5] = {G_ROW(1), G_ROW(2), G_ROW(3), G_ROW(4), G_ROW(5)};
#else
#define GRADIENT_ROW(o) GRADIENT_OF(o, 1) GRADIENT_OF(o, 2) GRADIENT_OF(o, 3)
#define G_ROW(o) {G(o, 1), G(o, 2), G(o, 3)}
GRADIENT_ROW(1) GRADIENT_ROW(2) GRADIENT_ROW(3) GRADIENT_ROW(4)
static const NAME(gradient_fn) NAME(gradients)[4][3] = {G_ROW(1), G_ROW(2), G_ROW(3), G_ROW(4)};
#endif
#undef GRADIENT_ROW
#undef GRADIENT_OF
#undef G_ROW
#undef G

static inline void NAME(gradient_run)(int outputs, int taps, const REAL *dy, const int32_t *yo, ptrdiff_t ys,
                                      const REAL *x, const int32_t *off, ptrdiff_t xs, int runs, int vectors,
                                      REAL *sums, ptrdiff_t ao) {
    NAME(gradients)[outputs - 1][taps - 1](dy, yo, ys, x, off, xs, runs, vectors, sums, ao);
}

/* The lanes of one vector, added by a fixed tree of halves. */
static inline REAL NAME(lane_sum)(const REAL *v) {
    REAL s[V];
    memcpy(s, v, sizeof s);
    for (int half = V / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) s[i] += s[i + half];
    }
    return s[0];
}

/* The sum of one map: four chains of vectors along the rows, then the chains, then the lanes. */
static inline REAL NAME(map_sum)(const REAL *map, ptrdiff_t row, int rows, int vectors) {
    VEC acc[4] = {{0}, {0}, {0}, {0}};
    for (int i = 0; i < rows; i++, map += row) {
        int v = 0;
        for (; v + 4 <= vectors; v += 4) {
            UNROLL for (int k = 0; k < 4; k++) acc[k] += *(const VEC *)(map + (v + k) * V);
        }
        for (; v < vectors; v++) acc[0] += *(const VEC *)(map + v * V);
    }
    acc[0] = (acc[0] + acc[1]) + (acc[2] + acc[3]);
    return NAME(lane_sum)((const REAL *)acc);
}

#undef VEC
#undef V
#undef AHEAD
#endif
