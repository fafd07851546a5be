/* The transforms of Winograd's convolution, on whole vectors: 4 x 4 outputs of a kernel of 3 x 3 or 5 x 5 taps.
 *
 * A product of polynomials is known from its values at as many points as it has coefficients, so 4 outputs of a kernel of k
 * taps take k + 3 multiplications: F(4, 3) on the points 0, 1, -1, 2, -2, infinity, F(4, 5) on those and 1/2, -1/2; in two
 * dimensions 36 instead of 144, and 64 instead of 400. All transforms come from one Vandermonde matrix E of the points,
 * E[j][i] = p_j^i:
 *
 *     outputs y = E_4^T (N^-1 E_k w . B^T x),   gradient of the weights dw = E_k^T N^-1 (E_4 dy . B^T x),
 *     and of the input dx = B (N^-1 E_k w . E_4 dy)
 *
 * with the polynomials of the points but one as the rows of B^T and their values at that one as N, so that `at_points` (E),
 * `from_points` (E^T), `data` (B^T) and its transpose serve all passes; N^-1 stays on the side of the weights. Elements of a vector
 * are images in forward passes, channels in the gradient of the weights.
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

#define POINTS 8 /* at most */
#define OUTPUTS 4 /* of a tile, in each direction */

#define TEMPLATE "winograd.h"
#include "instances.h"
#if VECTOR_BYTES <= 32
#define winograd_data_f32x8 winograd_data_f32
#define winograd_scatter_f32x8 winograd_scatter_f32
#define winograd_weights_f32x8 winograd_weights_f32
#define winograd_gradient_f32x8 winograd_gradient_f32
#define winograd_output_f32x8 winograd_output_f32
#define winograd_weight_gradient_f32x8 winograd_weight_gradient_f32
#endif

#else /* the template ------------------------------------------------------------------------------------------ */

#define VEC NAME(vec)
#define V ((int)(WIDTH / sizeof(REAL)))

/* e = E g for a polynomial of `count` coefficients */
ALWAYS_INLINE void NAME(at_points)(const VEC *g, int count, int points, VEC *e) {
    VEC even = g[0] + g[2], odd = g[1], even2 = g[0] + 4 * g[2], odd2 = 2 * g[1];
    VEC even3 = g[0] + (REAL)0.25 * g[2], odd3 = (REAL)0.5 * g[1];
    if (count > 3) odd += g[3], odd2 += 8 * g[3], odd3 += (REAL)0.125 * g[3];
    if (count > 4) even += g[4], even2 += 16 * g[4], even3 += (REAL)0.0625 * g[4];
    e[0] = g[0];
    e[1] = even + odd;
    e[2] = even - odd;
    e[3] = even2 + odd2;
    e[4] = even2 - odd2;
    if (points == 8) e[5] = even3 + odd3, e[6] = even3 - odd3;
    e[points - 1] = g[count - 1];
}

/* y = E^T e, `count` coefficients */
ALWAYS_INLINE void NAME(from_points)(const VEC *e, int count, int points, VEC *y) {
    const VEC sum = e[1] + e[2], difference = e[1] - e[2], sum2 = e[3] + e[4], difference2 = e[3] - e[4];
    y[0] = e[0] + sum + sum2;
    y[1] = difference + 2 * difference2;
    y[2] = sum + 4 * sum2;
    if (count > 3) y[3] = difference + 8 * difference2;
    if (count > 4) y[4] = sum + 16 * sum2;
    if (points == 8) {
        const VEC sum3 = e[5] + e[6], difference3 = e[5] - e[6];
        y[0] += sum3;
        y[1] += (REAL)0.5 * difference3;
        y[2] += (REAL)0.25 * sum3;
        if (count > 3) y[3] += (REAL)0.125 * difference3;
        if (count > 4) y[4] += (REAL)0.0625 * sum3;
    }
    y[count - 1] += e[points - 1];
}

/* t = B^T d; each product goes into the sum that takes it, a fused multiply-add */
ALWAYS_INLINE void NAME(data)(const VEC *d, int points, VEC *t) {
    if (points == 6) {
        const VEC a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = d[3] - d[1];
        t[0] = (d[4] - 5 * d[2]) + 4 * d[0];
        t[1] = a + b;
        t[2] = a - b;
        t[3] = c + 2 * e;
        t[4] = c - 2 * e;
        t[5] = (d[5] - 5 * d[3]) + 4 * d[1];
    } else {
        const VEC a = (d[2] + d[6]) - (REAL)4.25 * d[4], b = (d[1] + d[5]) - (REAL)4.25 * d[3];
        const VEC c = (d[6] - (REAL)1.25 * d[4]) + (REAL)0.25 * d[2], e = (2 * d[5] - (REAL)2.5 * d[3]) + (REAL)0.5 * d[1];
        const VEC f = (d[6] - 5 * d[4]) + 4 * d[2], g = ((REAL)0.5 * d[5] - (REAL)2.5 * d[3]) + 2 * d[1];
        t[0] = (d[6] - d[0]) + (REAL)5.25 * (d[2] - d[4]);
        t[1] = a + b;
        t[2] = a - b;
        t[3] = c + e;
        t[4] = c - e;
        t[5] = f + g;
        t[6] = f - g;
        t[7] = (d[7] - d[1]) + (REAL)5.25 * (d[3] - d[5]);
    }
}

/* d = B t */
ALWAYS_INLINE void NAME(data_transposed)(const VEC *t, int points, VEC *d) {
    const VEC sum = t[1] + t[2], difference = t[1] - t[2], sum2 = t[3] + t[4], difference2 = t[3] - t[4];
    if (points == 6) {
        d[0] = 4 * t[0];
        d[1] = 4 * (t[5] - difference) - 2 * difference2;
        d[2] = (-5 * t[0] - 4 * sum) - sum2;
        d[3] = (difference - 5 * t[5]) + 2 * difference2;
        d[4] = t[0] + (sum + sum2);
        d[5] = t[5];
    } else {
        const VEC sum3 = t[5] + t[6], difference3 = t[5] - t[6];
        d[0] = -t[0];
        d[1] = ((difference - t[7]) + (REAL)0.5 * difference2) + 2 * difference3;
        d[2] = ((REAL)5.25 * t[0] + sum) + (REAL)0.25 * sum2 + 4 * sum3;
        d[3] = ((REAL)5.25 * t[7] - (REAL)4.25 * difference) - (REAL)2.5 * (difference2 + difference3);
        d[4] = (-(REAL)5.25 * t[0] - (REAL)4.25 * sum) - (REAL)1.25 * sum2 - 5 * sum3;
        d[5] = ((difference - (REAL)5.25 * t[7]) + 2 * difference2) + (REAL)0.5 * difference3;
        d[6] = (t[0] + sum) + (sum2 + sum3);
        d[7] = t[7];
    }
}

/* N^-1 of row i and column j */
ALWAYS_INLINE REAL NAME(scale)(int points, int i, int j) {
    const REAL six[6] = {(REAL)1 / 4, (REAL)-1 / 6, (REAL)-1 / 6, (REAL)1 / 24, (REAL)1 / 24, 1};
    const REAL eight[8] = {-1, (REAL)-2 / 9, (REAL)-2 / 9, (REAL)1 / 90, (REAL)1 / 90, (REAL)32 / 45, (REAL)32 / 45, 1};
    return points == 6 ? six[i] * six[j] : eight[i] * eight[j];
}

ALWAYS_INLINE void NAME(samples)(const REAL *x, ptrdiff_t row, ptrdiff_t pixel, int points, REAL *t, ptrdiff_t step) {
    VEC half[POINTS][POINTS];
    UNROLL for (int j = 0; j < points; j++) {
        VEC d[POINTS], column[POINTS];
        UNROLL for (int i = 0; i < points; i++) d[i] = *(const VEC *)(x + i * row + j * pixel);
        NAME(data)(d, points, column);
        UNROLL for (int i = 0; i < points; i++) half[i][j] = column[i];
    }
    UNROLL for (int i = 0; i < points; i++) {
        VEC line[POINTS];
        NAME(data)(half[i], points, line);
        UNROLL for (int j = 0; j < points; j++) *(VEC *)(t + (points * i + j) * step) = line[j];
    }
}

/* t[e * step] = the values of count x count coefficients at the points */
ALWAYS_INLINE void NAME(spread)(const REAL *g, ptrdiff_t row, ptrdiff_t pixel, int count, int points, int scaled, REAL *t,
                                ptrdiff_t step) {
    VEC half[POINTS][POINTS];
    UNROLL for (int j = 0; j < count; j++) {
        VEC c[POINTS], column[POINTS];
        UNROLL for (int i = 0; i < count; i++) c[i] = *(const VEC *)(g + i * row + j * pixel);
        NAME(at_points)(c, count, points, column);
        UNROLL for (int i = 0; i < points; i++) half[i][j] = column[i];
    }
    UNROLL for (int i = 0; i < points; i++) {
        VEC line[POINTS];
        NAME(at_points)(half[i], count, points, line);
        UNROLL for (int j = 0; j < points; j++) {
            if (scaled) line[j] *= NAME(scale)(points, i, j);
            *(VEC *)(t + (points * i + j) * step) = line[j];
        }
    }
}

/* result[i][j] = count x count coefficients from their values t[e * step] at the points */
ALWAYS_INLINE void NAME(collect)(const REAL *t, ptrdiff_t step, int count, int points, int scaled,
                                 VEC result[POINTS][POINTS]) {
    VEC half[POINTS][POINTS];
    UNROLL for (int j = 0; j < points; j++) {
        VEC e[POINTS], column[POINTS];
        UNROLL for (int i = 0; i < points; i++) {
            e[i] = *(const VEC *)(t + (points * i + j) * step);
            if (scaled) e[i] *= NAME(scale)(points, i, j);
        }
        NAME(from_points)(e, count, points, column);
        UNROLL for (int i = 0; i < count; i++) half[i][j] = column[i];
    }
    UNROLL for (int i = 0; i < count; i++) NAME(from_points)(half[i], count, points, result[i]);
}

ALWAYS_INLINE void NAME(output)(const REAL *t, ptrdiff_t step, int points, REAL *y, ptrdiff_t row, ptrdiff_t pixel,
                                int rows, int columns, const REAL *bias, int start) {
    VEC result[POINTS][POINTS];
    const int rectified = start & OUTPUT_RECTIFY, held = (start & ~OUTPUT_RECTIFY) == OUTPUT_Y;
    const REAL first = bias ? *bias : 0;
    NAME(collect)(t, step, OUTPUTS, points, 0, result);
    if (held) {
        UNROLL for (int i = 0; i < OUTPUTS; i++) {
            UNROLL for (int j = 0; j < OUTPUTS; j++) {
                if (i < rows && j < columns) result[i][j] += *(const VEC *)(y + i * row + j * pixel);
            }
        }
    }
    UNROLL for (int i = 0; i < OUTPUTS; i++) {
        UNROLL for (int j = 0; j < OUTPUTS; j++) {
            const VEC value = result[i][j] + first;
            result[i][j] = rectified ? NAME(rectify)(value) : value;
        }
    }
    if (rows >= OUTPUTS && columns >= OUTPUTS) {
        UNROLL for (int i = 0; i < OUTPUTS; i++) {
            UNROLL for (int j = 0; j < OUTPUTS; j++) *(VEC *)(y + i * row + j * pixel) = result[i][j];
        }
    } else { /* a tile that hangs over the edge */
        for (int i = 0; i < OUTPUTS && i < rows; i++) {
            for (int j = 0; j < OUTPUTS && j < columns; j++) *(VEC *)(y + i * row + j * pixel) = result[i][j];
        }
    }
}

/* The transpose of `samples`: adds to the first `rows` x `columns` samples of a tile. */
ALWAYS_INLINE void NAME(scatter)(const REAL *t, ptrdiff_t step, int points, REAL *x, ptrdiff_t row, ptrdiff_t pixel, int rows,
                                 int columns) {
    VEC half[POINTS][POINTS];
    UNROLL for (int j = 0; j < points; j++) {
        VEC e[POINTS], column[POINTS];
        UNROLL for (int i = 0; i < points; i++) e[i] = *(const VEC *)(t + (points * i + j) * step);
        NAME(data_transposed)(e, points, column);
        UNROLL for (int i = 0; i < points; i++) half[i][j] = column[i];
    }
    UNROLL for (int i = 0; i < points; i++) {
        VEC line[POINTS];
        NAME(data_transposed)(half[i], points, line);
        UNROLL for (int j = 0; j < points; j++) {
            if (i < rows && j < columns) *(VEC *)(x + i * row + j * pixel) += line[j];
        }
    }
}

/* t[e * step] = the values of the samples of a tile at x */
OWN_FUNCTION void NAME(winograd_data)(int kernel, const REAL *x, ptrdiff_t row, ptrdiff_t pixel, REAL *t,
                                      ptrdiff_t step) {
    if (kernel == 3) NAME(samples)(x, row, pixel, 6, t, step);
    else NAME(samples)(x, row, pixel, 8, t, step);
}

/* Adds the gradient of those samples, where only the first `rows` x `columns` exist */
OWN_FUNCTION void NAME(winograd_scatter)(int kernel, const REAL *t, ptrdiff_t step, REAL *x, ptrdiff_t row, ptrdiff_t pixel,
                                         int rows, int columns) {
    if (kernel == 3) NAME(scatter)(t, step, 6, x, row, pixel, rows, columns);
    else NAME(scatter)(t, step, 8, x, row, pixel, rows, columns);
}

/* The values of a kernel, with N^-1 */
OWN_FUNCTION void NAME(winograd_weights)(int kernel, const REAL *w, ptrdiff_t tap, REAL *t, ptrdiff_t step) {
    if (kernel == 3) NAME(spread)(w, 3 * tap, tap, 3, 6, 1, t, step);
    else NAME(spread)(w, 5 * tap, tap, 5, 8, 1, t, step);
}

/* The values of a tile of the output's gradient */
OWN_FUNCTION void NAME(winograd_gradient)(int kernel, const REAL *dy, ptrdiff_t row, ptrdiff_t pixel, REAL *t,
                                          ptrdiff_t step) {
    if (kernel == 3) NAME(spread)(dy, row, pixel, OUTPUTS, 6, 0, t, step);
    else NAME(spread)(dy, row, pixel, OUTPUTS, 8, 0, t, step);
}

/* A tile of the output, its first `rows` x `columns` samples */
OWN_FUNCTION void NAME(winograd_output)(int kernel, const REAL *t, ptrdiff_t step, REAL *y, ptrdiff_t row,
                                        ptrdiff_t pixel, int rows, int columns, const REAL *bias, int start) {
    if (kernel == 3) NAME(output)(t, step, 6, y, row, pixel, rows, columns, bias, start);
    else NAME(output)(t, step, 8, y, row, pixel, rows, columns, bias, start);
}

/* The gradient of the weights, at distance `tap` */
OWN_FUNCTION void NAME(winograd_weight_gradient)(int kernel, const REAL *t, ptrdiff_t step, REAL *dw, ptrdiff_t tap) {
    VEC result[POINTS][POINTS];
    if (kernel == 3) {
        NAME(collect)(t, step, 3, 6, 1, result);
        UNROLL for (int k = 0; k < 9; k++) *(VEC *)(dw + k * tap) = result[k / 3][k % 3];
    } else {
        NAME(collect)(t, step, 5, 8, 1, result);
        for (int k = 0; k < 25; k++) *(VEC *)(dw + k * tap) = result[k / 5][k % 5];
    }
}

#undef VEC
#undef V
#endif
