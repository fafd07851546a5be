/* The vector registers of the processor, as GCC's and Clang's vector types: plain arithmetic on them is vector code in every
 * instruction set. Eight lanes of float need a narrower vector than AVX-512 has.
 */
#ifndef CNNCLI_VECTORS_H
#define CNNCLI_VECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "template.h"

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define NARROW_BYTES (VECTOR_BYTES > 32 ? 32 : VECTOR_BYTES)

#define LANES 32
#define LANES_SMALL 8
#define UNROLL _Pragma("GCC unroll 16")

typedef float vec_f32 __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef float vec_f32x8 __attribute__((vector_size(NARROW_BYTES), aligned(4), may_alias));
typedef double vec_f64 __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));

/* max(x, 0); NaN stays NaN */
ALWAYS_INLINE vec_f32 rectify_f32(vec_f32 x) { return (vec_f32)(~(x < 0) & (__typeof__(x < 0))x); }
ALWAYS_INLINE vec_f32x8 rectify_f32x8(vec_f32x8 x) { return (vec_f32x8)(~(x < 0) & (__typeof__(x < 0))x); }
ALWAYS_INLINE vec_f64 rectify_f64(vec_f64 x) { return (vec_f64)(~(x < 0) & (__typeof__(x < 0))x); }

#endif
