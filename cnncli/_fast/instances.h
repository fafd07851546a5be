/* Includes TEMPLATE for every element type and width of vectors: REAL, WIDTH (bytes) and SUFFIX. 8 lanes of float need
 * narrower vectors than AVX-512 has; elsewhere f32x8 is f32. */
#define REAL float
#define WIDTH VECTOR_BYTES
#define SUFFIX f32
#include TEMPLATE
#undef REAL
#undef WIDTH
#undef SUFFIX

#define REAL double
#define WIDTH VECTOR_BYTES
#define SUFFIX f64
#include TEMPLATE
#undef REAL
#undef WIDTH
#undef SUFFIX

#if VECTOR_BYTES > 32
#define REAL float
#define WIDTH NARROW_BYTES
#define SUFFIX f32x8
#include TEMPLATE
#undef REAL
#undef WIDTH
#undef SUFFIX
#endif

#undef TEMPLATE
