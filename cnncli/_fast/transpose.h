/* Squares of vectors, turned in registers: what lies image by image becomes what lies map by map; and sums of lanes, for which
 * half of a turn is enough. */
#ifndef CNNCLI_TRANSPOSE_H
#define CNNCLI_TRANSPOSE_H

#include "vectors.h"

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (IVEC){__VA_ARGS__})
#endif
#define EACH_2(f, h) f(0, h), f(1, h)
#define EACH_4(f, h) EACH_2(f, h), f(2, h), f(3, h)
#define EACH_8(f, h) EACH_4(f, h), f(4, h), f(5, h), f(6, h), f(7, h)
#define EACH_16(f, h)                                                                                                  \
    EACH_8(f, h), f(8, h), f(9, h), f(10, h), f(11, h), f(12, h), f(13, h), f(14, h), f(15, h)

#if VECTOR_BYTES == 64
#define EACH_FLOAT EACH_16
#define EACH_DOUBLE EACH_8
#elif VECTOR_BYTES == 32
#define EACH_FLOAT EACH_8
#define EACH_DOUBLE EACH_4
#else
#define EACH_FLOAT EACH_4
#define EACH_DOUBLE EACH_2
#endif

#define REAL float
#define INTEGER int32_t
#define EACH EACH_FLOAT
#define WIDTH VECTOR_BYTES
#define SUFFIX f32
#include "transpose.h"
#undef REAL
#undef INTEGER
#undef EACH
#undef WIDTH
#undef SUFFIX

#define REAL double
#define INTEGER int64_t
#define EACH EACH_DOUBLE
#define WIDTH VECTOR_BYTES
#define SUFFIX f64
#include "transpose.h"
#undef REAL
#undef INTEGER
#undef EACH
#undef WIDTH
#undef SUFFIX

#if VECTOR_BYTES > 32
#define REAL float
#define INTEGER int32_t
#define EACH EACH_8
#define WIDTH NARROW_BYTES
#define SUFFIX f32x8
#include "transpose.h"
#undef REAL
#undef INTEGER
#undef EACH
#undef WIDTH
#undef SUFFIX
#else
#define transpose_f32x8 transpose_f32
#define lane_sums_f32x8 lane_sums_f32
#endif

#else /* the template ------------------------------------------------------------------------------------------ */

#define VEC NAME(vec)
#define IVEC NAME(ivec)
#define V ((int)(WIDTH / sizeof(REAL)))
typedef INTEGER IVEC __attribute__((vector_size(WIDTH)));

#define LOWER(i, half) ((i) & (half)) ? V + (i) - (half) : (i)
#define UPPER(i, half) ((i) & (half)) ? V + (i) : (i) + (half)
#define SWAP(half)                                                                                                     \
    if (V > (half)) {                                                                                                  \
        UNROLL for (int i = 0; i < V; i++) {                                                                           \
            if (i & (half)) continue;                                                                                  \
            const VEC a = r[i], b = r[i + (half)];                                                                     \
            r[i] = SHUFFLE(a, b, EACH(LOWER, half));                                                                   \
            r[i + (half)] = SHUFFLE(a, b, EACH(UPPER, half));                                                          \
        }                                                                                                              \
    }

/* out[l * row + i] = x[off[i] + l] for V lanes and the first `count` of V vectors, zeros for the others */
OWN_FUNCTION void NAME(transpose)(const REAL *x, const int32_t *off, int count, REAL *out, ptrdiff_t row) {
    VEC r[V];
    UNROLL for (int i = 0; i < V; i++) r[i] = i < count ? *(const VEC *)(x + off[i]) : (VEC){};
    SWAP(8)
    SWAP(4)
    SWAP(2)
    SWAP(1)
    UNROLL for (int i = 0; i < V; i++) *(VEC *)(out + i * row) = r[i];
}

#define FOLD(half)                                                                                                     \
    if (V > (half)) {                                                                                                  \
        UNROLL for (int i = 0; i < (half); i++) {                                                                      \
            const VEC a = r[i], b = r[i + (half)];                                                                     \
            r[i] = SHUFFLE(a, b, EACH(LOWER, half)) + SHUFFLE(a, b, EACH(UPPER, half));                                \
        }                                                                                                              \
    }

/* out[i] = the sum of the lanes of vector i, by a tree of halves, for the first `count` of V vectors */
OWN_FUNCTION void NAME(lane_sums)(const REAL *x, int count, REAL *out) {
    VEC r[V];
    UNROLL for (int i = 0; i < V; i++) r[i] = i < count ? *(const VEC *)(x + i * V) : (VEC){};
    FOLD(8)
    FOLD(4)
    FOLD(2)
    FOLD(1)
    memcpy(out, r, count * sizeof(REAL));
}

#undef LOWER
#undef UPPER
#undef SWAP
#undef FOLD
#undef VEC
#undef IVEC
#undef V
#endif
