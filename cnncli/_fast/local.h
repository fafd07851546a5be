/* The register tiles of layers without shared weights: like those of microkernel.h, but weights are used where they lie.
 *
 * Packing pays only if a weight serves many pixels. Here it serves one, of all images: so the outputs of `local_tile` find
 * their weights by a list of offsets and a step, and its vectors are two pairs, of two blocks where they lie in pairs. The
 * output of the layer and the gradient of its input (outputs are taps) are this tile; it fetches the weights that come
 * next, which stream from memory. In `product_tile`, the gradient of the weights, the sum is over images and the vectors
 * hold outputs. Each sum has one order, that of k or of the lanes, whatever the tile. The file includes itself once for
 * each element type and vector width.
 */
#ifndef CNNCLI_LOCAL_H
#define CNNCLI_LOCAL_H

#include "vectors.h"

#if defined(__AVX512F__)
#define LOCAL_VECTORS 4 /* of a tile: its accumulators leave registers for weights and inputs on every machine */
#define PRODUCT_TILE 12
#else
#define LOCAL_VECTORS 2
#define PRODUCT_TILE 6
#endif
#define LOCAL_TILE 6 /* outputs */
#define EACH(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < n; i++)

#define SUFFIX f32
#define REAL float
#define BYTES VECTOR_BYTES
#include "local.h"

#define SUFFIX f64
#define REAL double
#define BYTES VECTOR_BYTES
#include "local.h"

#if VECTOR_BYTES > 32
#define SUFFIX f32x8
#define REAL float
#define BYTES 32
#include "local.h"
#else
#define local_tile_f32x8 local_tile_f32
#define product_tile_f32x8 product_tile_f32
#endif

#else /* the template ------------------------------------------------------------------------------------------ */

#define VEC NAME(local_vec)
#define V ((int)(BYTES / sizeof(REAL)))
#define AT(v, step) ((v) % 2 * V + (v) / 2 * (step))
typedef REAL VEC __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));

/* y[yo[o] + AT(v, y_step) + lane] += sum_k w[wo[o] + k*wk] * x[off[k] + AT(v, x_step) + lane]: for o < outputs and two
 * pairs of neighbouring vectors, a step apart. */
ALWAYS_INLINE void NAME(local_body)(int outputs, int vectors, const REAL *restrict w, const int32_t *restrict wo,
                                    ptrdiff_t wk, const REAL *restrict x, ptrdiff_t x_step,
                                    const int32_t *restrict off, int taps, REAL *restrict y, ptrdiff_t y_step,
                                    const int32_t *restrict yo, const REAL *next) {
    VEC acc[LOCAL_TILE][LOCAL_VECTORS];
    const REAL *wp[LOCAL_TILE];
    EACH(o, outputs) {
        wp[o] = w + wo[o];
        EACH(v, vectors) acc[o][v] = *(const VEC *)(y + yo[o] + AT(v, y_step));
    }
    for (int k = 0; k < taps; k++) {
        VEC xv[LOCAL_VECTORS];
        __builtin_prefetch(next + k * outputs, 0, 2);
        EACH(v, vectors) xv[v] = *(const VEC *)(x + off[k] + AT(v, x_step));
        EACH(o, outputs) {
            EACH(v, vectors) acc[o][v] += wp[o][k * wk] * xv[v];
        }
    }
    EACH(o, outputs) {
        EACH(v, vectors) *(VEC *)(y + yo[o] + AT(v, y_step)) = acc[o][v];
    }
}

/* A function of its own for every size: inlined together, GCC spills the accumulators. */
typedef void (*NAME(local_fn))(const REAL *, const int32_t *, ptrdiff_t, const REAL *, ptrdiff_t, const int32_t *, int,
                               REAL *, ptrdiff_t, const int32_t *, const REAL *);
#define TILE_OF(outputs, vectors)                                                                                      \
    OWN_FUNCTION void NAME(local_##outputs##_##vectors)(const REAL *w, const int32_t *wo, ptrdiff_t wk, const REAL *x, \
                                                        ptrdiff_t x_step, const int32_t *off, int taps, REAL *y,       \
                                                        ptrdiff_t y_step, const int32_t *yo, const REAL *next) {       \
        NAME(local_body)(outputs, vectors, w, wo, wk, x, x_step, off, taps, y, y_step, yo, next);                      \
    }
#if LOCAL_VECTORS == 4
#define TILES_OF(outputs) TILE_OF(outputs, 1) TILE_OF(outputs, 2) TILE_OF(outputs, 4)
#define T(o) {NAME(local_##o##_1), NAME(local_##o##_2), NAME(local_##o##_4)}
#else
#define TILES_OF(outputs) TILE_OF(outputs, 1) TILE_OF(outputs, 2)
#define T(o) {NAME(local_##o##_1), NAME(local_##o##_2)}
#endif
TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4) TILES_OF(5) TILES_OF(6)
static const NAME(local_fn) NAME(local_fns)[LOCAL_TILE][LOCAL_VECTORS / 2 + 1] = {T(1), T(2), T(3), T(4), T(5), T(6)};
#undef T
#undef TILES_OF
#undef TILE_OF

/* The tile over the `vectors` neighbouring vectors of a pixel in all blocks, which lie x_block and y_block apart. */
static inline void NAME(local_tile)(int outputs, int vectors, int blocks, const REAL *w, const int32_t *wo,
                                    ptrdiff_t wk, const REAL *x, ptrdiff_t x_block, const int32_t *off, int taps,
                                    REAL *y, ptrdiff_t y_block, const int32_t *yo, const REAL *next) {
    const NAME(local_fn) *sizes = NAME(local_fns)[outputs - 1];
    if (vectors < 2) { /* one vector, or pairs: there is no third way as lanes are powers of two */
        for (int b = 0; b < blocks; b++, x += x_block, y += y_block) sizes[0](w, wo, wk, x, 0, off, taps, y, 0, yo, next);
        return;
    }
    const int pairs = vectors / 2, all = pairs * blocks;
    for (int i = 0; i < all;) {
        const ptrdiff_t xi = i / pairs * x_block + i % pairs * 2 * V, yi = i / pairs * y_block + i % pairs * 2 * V;
        const int j = i + 1;
        if (LOCAL_VECTORS == 4 && j < all) {
            const ptrdiff_t xj = j / pairs * x_block + j % pairs * 2 * V, yj = j / pairs * y_block + j % pairs * 2 * V;
            sizes[LOCAL_VECTORS / 2](w, wo, wk, x + xi, xj - xi, off, taps, y + yi, yj - yi, yo, next);
            i += 2;
        } else {
            sizes[1](w, wo, wk, x + xi, 0, off, taps, y + yi, 0, yo, next);
            i++;
        }
    }
}

/* out[k*row + v*V + i] = sum_lane x[off[k] + lane] * d[lane*row + v*V + i]   for k < taps, v < vectors */
ALWAYS_INLINE void NAME(product_body)(int taps, int vectors, const REAL *restrict x, const int32_t *restrict off,
                                      const REAL *restrict d, int lanes, ptrdiff_t row, REAL *restrict out) {
    VEC acc[PRODUCT_TILE][2];
    const REAL *xp[PRODUCT_TILE];
    EACH(k, taps) {
        xp[k] = x + off[k];
        EACH(v, vectors) acc[k][v] = (VEC){};
    }
    for (int l = 0; l < lanes; l += 2) {
        VEC dv[2][2];
        EACH(j, 2) {
            EACH(v, vectors) dv[j][v] = *(const VEC *)(d + (l + j) * row + v * V);
        }
        EACH(k, taps) {
            EACH(j, 2) {
                EACH(v, vectors) acc[k][v] += xp[k][l + j] * dv[j][v];
            }
        }
    }
    EACH(k, taps) {
        EACH(v, vectors) *(VEC *)(out + k * row + v * V) = acc[k][v];
    }
}

typedef void (*NAME(product_fn))(const REAL *, const int32_t *, const REAL *, int, ptrdiff_t, REAL *);
#define PRODUCT_OF(taps, vectors)                                                                                      \
    OWN_FUNCTION void NAME(product_##taps##_##vectors)(const REAL *x, const int32_t *off, const REAL *d, int lanes,    \
                                                       ptrdiff_t row, REAL *out) {                                     \
        NAME(product_body)(taps, vectors, x, off, d, lanes, row, out);                                                 \
    }
#define PRODUCTS_OF(taps) PRODUCT_OF(taps, 1) PRODUCT_OF(taps, 2)
#define T(k) {NAME(product_##k##_1), NAME(product_##k##_2)}
PRODUCTS_OF(1) PRODUCTS_OF(2) PRODUCTS_OF(3) PRODUCTS_OF(4) PRODUCTS_OF(5) PRODUCTS_OF(6)
#if PRODUCT_TILE == 12
PRODUCTS_OF(7) PRODUCTS_OF(8) PRODUCTS_OF(9) PRODUCTS_OF(10) PRODUCTS_OF(11) PRODUCTS_OF(12)
#endif
static const NAME(product_fn) NAME(products)[PRODUCT_TILE][2] = {
    T(1), T(2), T(3), T(4), T(5), T(6),
#if PRODUCT_TILE == 12
    T(7), T(8), T(9), T(10), T(11), T(12),
#endif
};
#undef T
#undef PRODUCTS_OF
#undef PRODUCT_OF

/* The gradient of the weights of some taps to all outputs: `vectors` vectors of them, in rows of out and d. */
static inline void NAME(product_tile)(int taps, int vectors, const REAL *x, const int32_t *off, const REAL *d,
                                      int lanes, REAL *out) {
    for (int v = 0; v < vectors; v += 2) {
        NAME(products)[taps - 1][vectors - v > 1](x, off, d + v * V, lanes, (ptrdiff_t)vectors * V, out + v * V);
    }
}

#undef AT
#undef VEC
#undef V
#undef SUFFIX
#undef REAL
#undef BYTES
#endif
