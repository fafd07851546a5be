/* The transforms of Winograd's convolution on six points (0, 1, -1, 2, -2, infinity), on whole vectors.
 *
 * A product of two polynomials of degree 5 in all is known from its values at six points, so m outputs of a kernel of k
 * taps with m + k = 7 take 6 multiplications: F(4, 3) and F(2, 5), in two dimensions 36 instead of 144 and 100. All
 * transforms come from one Vandermonde matrix E of the points, E[j][i] = p_j^i:
 *
 *     outputs y = E_m^T (N^-1 E_k w . B^T x),   gradient of the weights dw = E_k^T N^-1 (E_m dy . B^T x)
 *
 * with B^T below and N the derivatives of the points' polynomial, so that `at_points` (E), `from_points` (E^T) and `data`
 * (B^T) serve all three passes; N^-1 stays on the side of the weights. Elements of a vector are images in forward passes,
 * channels in the gradient of the weights.
 *
 * References
 * a) Winograd, Arithmetic Complexity of Computations, SIAM 1980.
 * b) Lavin and Gray, Fast algorithms for convolutional neural networks, CVPR 2016.
 */
#ifndef CNNCLI_WINOGRAD_H
#define CNNCLI_WINOGRAD_H

#include "vectors.h"

/* How an output tile starts, as in microkernel.h: from zero (and a bias), or from what the output holds; and
 * whether it ends cut at 0. */
enum { OUTPUT_ZERO = 0, OUTPUT_Y = 2, OUTPUT_RECTIFY = 4 };

#define POINTS 6

#define REAL float
#define WIDTH VECTOR_BYTES
#define SUFFIX f32
#include "winograd.h"
#undef REAL
#undef WIDTH
#undef SUFFIX

#define REAL double
#define WIDTH VECTOR_BYTES
#define SUFFIX f64
#include "winograd.h"
#undef REAL
#undef WIDTH
#undef SUFFIX

#if VECTOR_BYTES > 32
#define REAL float
#define WIDTH NARROW_BYTES
#define SUFFIX f32x8
#include "winograd.h"
#undef REAL
#undef WIDTH
#undef SUFFIX
#else
#define winograd_data_f32x8 winograd_data_f32
#define winograd_weights_f32x8 winograd_weights_f32
#define winograd_gradient_f32x8 winograd_gradient_f32
#define winograd_output_f32x8 winograd_output_f32
#define winograd_weight_gradient_f32x8 winograd_weight_gradient_f32
#endif

#else /* the template ------------------------------------------------------------------------------------------ */

#define VEC NAME(vec)
#define V ((int)(WIDTH / sizeof(REAL)))

/* e = E g for a polynomial of `count` coefficients */
ALWAYS_INLINE void NAME(at_points)(const VEC *g, int count, VEC *e) {
    VEC even = g[0], odd = g[1], even2 = g[0], odd2 = 2 * g[1];
    if (count > 2) even += g[2], even2 += 4 * g[2];
    if (count > 3) odd += g[3], odd2 += 8 * g[3];
    if (count > 4) even += g[4], even2 += 16 * g[4];
    e[0] = g[0];
    e[1] = even + odd;
    e[2] = even - odd;
    e[3] = even2 + odd2;
    e[4] = even2 - odd2;
    e[5] = g[count - 1];
}

/* y = E^T e, `count` coefficients */
ALWAYS_INLINE void NAME(from_points)(const VEC *e, int count, VEC *y) {
    const VEC sum = e[1] + e[2], difference = e[1] - e[2], sum2 = e[3] + e[4], difference2 = e[3] - e[4];
    y[0] = e[0] + sum + sum2;
    y[1] = difference + 2 * difference2;
    if (count > 2) y[2] = sum + 4 * sum2;
    if (count > 3) y[3] = difference + 8 * difference2;
    if (count > 4) y[4] = sum + 16 * sum2;
    y[count - 1] += e[5];
}

/* t = B^T d */
ALWAYS_INLINE void NAME(data)(const VEC *d, VEC *t) {
    const VEC a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = d[3] - d[1];
    t[0] = (d[4] - 5 * d[2]) + 4 * d[0]; /* each product goes into the sum that takes it: a fused multiply-add */
    t[1] = a + b;
    t[2] = a - b;
    t[3] = c + 2 * e;
    t[4] = c - 2 * e;
    t[5] = (d[5] - 5 * d[3]) + 4 * d[1];
}

ALWAYS_INLINE REAL NAME(scale)(int i, int j) {
    const REAL inverse[POINTS] = {(REAL)1 / 4, (REAL)-1 / 6, (REAL)-1 / 6, (REAL)1 / 24, (REAL)1 / 24, 1};
    return inverse[i] * inverse[j];
}

/* t[e * step] = the transform of the 6 x 6 samples at x */
OWN_FUNCTION void NAME(winograd_data)(const REAL *x, ptrdiff_t row, ptrdiff_t pixel, REAL *t, ptrdiff_t step) {
    VEC half[POINTS][POINTS];
    UNROLL for (int j = 0; j < POINTS; j++) {
        VEC d[POINTS], column[POINTS];
        UNROLL for (int i = 0; i < POINTS; i++) d[i] = *(const VEC *)(x + i * row + j * pixel);
        NAME(data)(d, column);
        UNROLL for (int i = 0; i < POINTS; i++) half[i][j] = column[i];
    }
    UNROLL for (int i = 0; i < POINTS; i++) {
        VEC line[POINTS];
        NAME(data)(half[i], line);
        UNROLL for (int j = 0; j < POINTS; j++) *(VEC *)(t + (POINTS * i + j) * step) = line[j];
    }
}

/* t[e * step] = the values of count x count coefficients at the points */
ALWAYS_INLINE void NAME(spread)(const REAL *g, ptrdiff_t row, ptrdiff_t pixel, int count, int scaled, REAL *t,
                                ptrdiff_t step) {
    VEC half[POINTS][POINTS];
    UNROLL for (int j = 0; j < count; j++) {
        VEC c[POINTS], column[POINTS];
        UNROLL for (int i = 0; i < count; i++) c[i] = *(const VEC *)(g + i * row + j * pixel);
        NAME(at_points)(c, count, column);
        UNROLL for (int i = 0; i < POINTS; i++) half[i][j] = column[i];
    }
    UNROLL for (int i = 0; i < POINTS; i++) {
        VEC line[POINTS];
        NAME(at_points)(half[i], count, line);
        UNROLL for (int j = 0; j < POINTS; j++) {
            if (scaled) line[j] *= NAME(scale)(i, j);
            *(VEC *)(t + (POINTS * i + j) * step) = line[j];
        }
    }
}

/* result[i][j] = count x count coefficients from their values t[e * step] at the points */
ALWAYS_INLINE void NAME(collect)(const REAL *t, ptrdiff_t step, int count, int scaled, VEC result[POINTS][POINTS]) {
    VEC half[POINTS][POINTS];
    UNROLL for (int j = 0; j < POINTS; j++) {
        VEC e[POINTS], column[POINTS];
        UNROLL for (int i = 0; i < POINTS; i++) {
            e[i] = *(const VEC *)(t + (POINTS * i + j) * step);
            if (scaled) e[i] *= NAME(scale)(i, j);
        }
        NAME(from_points)(e, count, column);
        UNROLL for (int i = 0; i < count; i++) half[i][j] = column[i];
    }
    UNROLL for (int i = 0; i < count; i++) NAME(from_points)(half[i], count, result[i]);
}

ALWAYS_INLINE void NAME(output)(const REAL *t, ptrdiff_t step, int count, REAL *y, ptrdiff_t row, ptrdiff_t pixel,
                                int rows, int columns, const REAL *bias, int start) {
    VEC result[POINTS][POINTS];
    const int rectified = start & OUTPUT_RECTIFY, held = (start & ~OUTPUT_RECTIFY) == OUTPUT_Y;
    const REAL first = bias ? *bias : 0;
    NAME(collect)(t, step, count, 0, result);
    if (held) {
        UNROLL for (int i = 0; i < count; i++) {
            UNROLL for (int j = 0; j < count; j++) {
                if (i < rows && j < columns) result[i][j] += *(const VEC *)(y + i * row + j * pixel);
            }
        }
    }
    UNROLL for (int i = 0; i < count; i++) {
        UNROLL for (int j = 0; j < count; j++) {
            const VEC value = result[i][j] + first;
            result[i][j] = rectified ? NAME(rectify)(value) : value;
        }
    }
    if (rows >= count && columns >= count) {
        UNROLL for (int i = 0; i < count; i++) {
            UNROLL for (int j = 0; j < count; j++) *(VEC *)(y + i * row + j * pixel) = result[i][j];
        }
    } else { /* a tile that hangs over the edge */
        for (int i = 0; i < count && i < rows; i++) {
            for (int j = 0; j < count && j < columns; j++) *(VEC *)(y + i * row + j * pixel) = result[i][j];
        }
    }
}

/* The values of a kernel of 3 x 3 or 5 x 5 weights, with N^-1 */
OWN_FUNCTION void NAME(winograd_weights)(int kernel, const REAL *w, ptrdiff_t tap, REAL *t, ptrdiff_t step) {
    if (kernel == 3) NAME(spread)(w, 3 * tap, tap, 3, 1, t, step);
    else NAME(spread)(w, 5 * tap, tap, 5, 1, t, step);
}

/* The values of a tile of the output's gradient: 4 x 4 for a kernel of 3 x 3, 2 x 2 for one of 5 x 5 */
OWN_FUNCTION void NAME(winograd_gradient)(int kernel, const REAL *dy, ptrdiff_t row, ptrdiff_t pixel, REAL *t,
                                          ptrdiff_t step) {
    if (kernel == 3) NAME(spread)(dy, row, pixel, 4, 0, t, step);
    else NAME(spread)(dy, row, pixel, 2, 0, t, step);
}

/* A tile of the output, its first `rows` x `columns` samples */
OWN_FUNCTION void NAME(winograd_output)(int kernel, const REAL *t, ptrdiff_t step, REAL *y, ptrdiff_t row,
                                        ptrdiff_t pixel, int rows, int columns, const REAL *bias, int start) {
    if (kernel == 3) NAME(output)(t, step, 4, y, row, pixel, rows, columns, bias, start);
    else NAME(output)(t, step, 2, y, row, pixel, rows, columns, bias, start);
}

/* The gradient of the weights, at distance `tap` */
OWN_FUNCTION void NAME(winograd_weight_gradient)(int kernel, const REAL *t, ptrdiff_t step, REAL *dw, ptrdiff_t tap) {
    VEC result[POINTS][POINTS];
    if (kernel == 3) {
        NAME(collect)(t, step, 3, 1, result);
        UNROLL for (int k = 0; k < 9; k++) *(VEC *)(dw + k * tap) = result[k / 3][k % 3];
    } else {
        NAME(collect)(t, step, 5, 1, result);
        UNROLL for (int k = 0; k < 25; k++) *(VEC *)(dw + k * tap) = result[k / 5][k % 5];
    }
}

#undef VEC
#undef V
#endif
