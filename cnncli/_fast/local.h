/* The register tile of layers without shared weights: like that of microkernel.h, but weights are used where they lie.
 *
 * Packing pays only if a weight serves many pixels. Here it serves one, so the outputs of a tile find their weights by a
 * list of offsets and a step. All three passes are this tile: the output of the layer, the gradient of its input (outputs
 * are taps) and that of its weights (the sum is over images, the vectors hold output maps). Each lane sees one order of
 * additions, that of k, whatever the tile. The file includes itself once for each element type and vector width.
 */
#ifndef CNNCLI_LOCAL_H
#define CNNCLI_LOCAL_H

#include <stddef.h>
#include <stdint.h>

#include "template.h"

#if defined(__AVX512F__)
#define LOCAL_BYTES 64
#elif defined(__AVX__)
#define LOCAL_BYTES 32
#else
#define LOCAL_BYTES 16
#endif
#define LOCAL_TILE 6 /* outputs; times two vectors they leave registers for weights and inputs on every machine */
#define EACH(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < n; i++)

#define SUFFIX f32
#define REAL float
#define BYTES LOCAL_BYTES
#include "local.h"

#define SUFFIX f64
#define REAL double
#define BYTES LOCAL_BYTES
#include "local.h"

#if LOCAL_BYTES > 32
#define SUFFIX f32x8
#define REAL float
#define BYTES 32
#include "local.h"
#else
#define local_tile_f32x8 local_tile_f32
#endif

#else /* the template ------------------------------------------------------------------------------------------ */

#define VEC NAME(local_vec)
#define V ((int)(BYTES / sizeof(REAL)))
typedef REAL VEC __attribute__((vector_size(BYTES), aligned(8), may_alias));

/* y[yo[o] + v*V + lane] += sum_k w[wo[o] + k*wk] * x[off[k] + v*V + lane]   for o < outputs, v < vectors */
ALWAYS_INLINE void NAME(local_body)(int outputs, int vectors, const REAL *restrict w, const int32_t *restrict wo,
                                    ptrdiff_t wk, const REAL *restrict x, const int32_t *restrict off, int taps,
                                    REAL *restrict y, const int32_t *restrict yo) {
    VEC acc[LOCAL_TILE][2];
    const REAL *wp[LOCAL_TILE];
    EACH(o, outputs) {
        wp[o] = w + wo[o];
        EACH(v, vectors) acc[o][v] = *(const VEC *)(y + yo[o] + v * V);
    }
    for (int k = 0; k < taps; k++) {
        VEC xv[2];
        EACH(v, vectors) xv[v] = *(const VEC *)(x + off[k] + v * V);
        EACH(o, outputs) {
            EACH(v, vectors) acc[o][v] += wp[o][k * wk] * xv[v];
        }
    }
    EACH(o, outputs) {
        EACH(v, vectors) *(VEC *)(y + yo[o] + v * V) = acc[o][v];
    }
}

/* A function of its own for every size: inlined together, GCC spills the accumulators. */
#define TILE_OF(outputs, vectors)                                                                                      \
    OWN_FUNCTION void NAME(local_##outputs##_##vectors)(const REAL *w, const int32_t *wo, ptrdiff_t wk, const REAL *x, \
                                                        const int32_t *off, int taps, REAL *y, const int32_t *yo) {    \
        NAME(local_body)(outputs, vectors, w, wo, wk, x, off, taps, y, yo);                                            \
    }
#define TILES_OF(outputs) TILE_OF(outputs, 1) TILE_OF(outputs, 2)
TILES_OF(1) TILES_OF(2) TILES_OF(3) TILES_OF(4) TILES_OF(5) TILES_OF(6)
#undef TILES_OF
#undef TILE_OF

/* The tile over `vectors` neighbouring vectors. */
static inline void NAME(local_tile)(int outputs, int vectors, const REAL *w, const int32_t *wo, ptrdiff_t wk,
                                    const REAL *x, const int32_t *off, int taps, REAL *y, const int32_t *yo) {
    typedef void (*tile_fn)(const REAL *, const int32_t *, ptrdiff_t, const REAL *, const int32_t *, int, REAL *,
                            const int32_t *);
#define T(o) {NAME(local_##o##_1), NAME(local_##o##_2)}
    static const tile_fn tiles[LOCAL_TILE][2] = {T(1), T(2), T(3), T(4), T(5), T(6)};
#undef T
    for (int v = 0; v < vectors; v += 2) {
        tiles[outputs - 1][vectors - v > 1](w, wo, wk, x + v * V, off, taps, y + v * V, yo);
    }
}

#undef VEC
#undef V
#undef SUFFIX
#undef REAL
#undef BYTES
#endif
