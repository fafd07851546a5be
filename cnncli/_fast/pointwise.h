/* Functions of one element, over runs of elements: y[i] = f(x[i]), dx[i] = dy[i] f'(x[i]), sums of dy[i] df/dk(x[i]).
 *
 * Output and input may be the same memory. In float the loops are vector code in every variant (see vectormath.h); in
 * double those with exp, tanh or log1p call the C library.
 *
 * The forms are those that lose no accuracy: e = exp(-|x|) never overflows, and the derivative e / (1 + e)^2 of the
 * sigmoid does not vanish before exp does, as s (1 - s) would (in float from x = 17 on). Largest errors found in float,
 * in ulp: sigmoid 2.4, its derivative 4.1, tanh 1.4, softplus 2.1, softabs 3.4; by k, at k = 1, 3.2 and 7.2.
 */
#ifndef CNNCLI_POINTWISE_H
#define CNNCLI_POINTWISE_H

#include <stddef.h>

#include "vectormath.h"

/* The functions with their two numbers a and s; layers/_pointwise.py has the same list. */
enum {
    RELU = 0,       /* max(x, 0); backward reads y, as for the next one */
    LEAKY_RELU = 1, /* x where x > 0, else a x */
    SIGMOID = 2,    /* 1 / (1 + exp(-x)) */
    TANH = 3,       /* a tanh(s x) */
    SOFTPLUS = 4,   /* ln(1 + exp(a x)) / a */
    ABS = 5,        /* |x|; gradient 0 at 0 */
    SOFTABS = 6,    /* (2 / a) ln cosh(a x / 2) */
    GAIN = 7,       /* a x; backward reads nothing */
    ELU = 8,        /* x where x > 0, else a (exp(x) - 1); backward reads y */
    GELU = 9,       /* x Phi(x); with a = 1 the form with tanh in place of it, which is a sigmoid */
    SILU = 10,      /* x / (1 + exp(-x)) */
    HARD_SWISH = 11 /* x min(max(x + 3, 0), 6) / 6 */
};

#define LN2 0.693147180559945309417
#define ROOT_HALF 0.707106781186547524401 /* sqrt(1 / 2) */
#define TANH_ROOT 0.797884560802865355880 /* sqrt(2 / pi) */

#define REAL float
#define SUFFIX f32
#include "pointwise.h"
#undef REAL
#undef SUFFIX

#define REAL double
#define SUFFIX f64
#include "pointwise.h"
#undef REAL
#undef SUFFIX

/* Sum of the lanes by a fixed tree of halves; v is used up. */
static inline double lane_tree(double *v, int lanes) {
    for (int half = lanes / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; l++) v[l] += v[l + half];
    }
    return v[0];
}

#else /* the template ------------------------------------------------------------------------------------------ */

/* A choice between two values that are both computed: not every instruction set can load under a condition. */
ALWAYS_INLINE REAL NAME(where)(int condition, REAL a, REAL b) { return condition ? a : b; }

ALWAYS_INLINE REAL NAME(sigmoid)(REAL x) {
    const REAL e = NAME(exp)(-NAME(size)(x));
    return (x < 0 ? e : 1) / (1 + e);
}

ALWAYS_INLINE REAL NAME(sigmoid_slope)(REAL x) {
    const REAL e = NAME(exp)(-NAME(size)(x));
    return e / ((1 + e) * (1 + e));
}

ALWAYS_INLINE REAL NAME(softplus)(REAL x, REAL k, REAL inverse) {
    const REAL positive = x < 0 ? 0 : x;
    return positive + NAME(log1p)(NAME(exp)(-k * NAME(size)(x))) * inverse;
}

ALWAYS_INLINE REAL NAME(softplus_by_k)(REAL x, REAL k, REAL inverse) {
    const REAL size = NAME(size)(x);
    const REAL e = NAME(exp)(-k * size);
    return -(size * e / (1 + e) + NAME(log1p)(e) * inverse) * inverse;
}

/* ln(1 + exp(-u)) for u > 2, and for u <= 2, where subtracting ln 2 from that would cancel, ln cosh(u / 2) by way of
 * ln(1 + 2 sinh^2(u / 4)) */
ALWAYS_INLINE REAL NAME(softabs_log)(REAL u, REAL e) {
    const REAL near = NAME(short_sinh)((u < 2 ? u : 2) * (REAL)0.25);
    const REAL argument = u <= 2 ? 2 * near * near : e;
    return NAME(log1p)(argument);
}

ALWAYS_INLINE REAL NAME(softabs)(REAL x, REAL k, REAL inverse) {
    const REAL size = NAME(size)(x), u = k * size;
    const REAL log = NAME(softabs_log)(u, NAME(exp)(-u));
    const REAL far = size + 2 * inverse * (log - (REAL)LN2);
    const REAL near = 2 * inverse * log;
    return u <= 2 ? near : far;
}

ALWAYS_INLINE REAL NAME(softabs_by_k)(REAL x, REAL k, REAL inverse) {
    const REAL size = NAME(size)(x), u = k * size;
    const REAL e = NAME(exp)(-u);
    const REAL log = NAME(softabs_log)(u, e);
    const REAL near = size * NAME(tanh)(u / 2) - 2 * inverse * log;
    const REAL far = 2 * inverse * ((REAL)LN2 - log) - 2 * size * e / (1 + e);
    return (u <= 2 ? near : far) * inverse;
}

/* Phi(x), the share of a normal distribution below x */
ALWAYS_INLINE REAL NAME(normal_below)(REAL x) {
    const REAL tail = NAME(erfc)(NAME(size)(x) * (REAL)ROOT_HALF) / 2;
    return x < 0 ? tail : 1 - tail;
}

ALWAYS_INLINE REAL NAME(gelu_slope)(REAL x) {
    return NAME(normal_below)(x) + x * (NAME(exp)(-x * x / 2) * (REAL)(TANH_ROOT / 2));
}

/* twice the argument of tanh: (1 + tanh(u)) / 2 = sigmoid(2 u); beyond 20 nothing changes, and nothing overflows */
ALWAYS_INLINE REAL NAME(gelu_argument)(REAL x) {
    const REAL above = x < -20 ? -20 : x, limited = above > 20 ? 20 : above;
    return (REAL)(2 * TANH_ROOT) * limited * (1 + (REAL)0.044715 * limited * limited);
}

ALWAYS_INLINE REAL NAME(gelu_tanh_slope)(REAL x) {
    const REAL above = x < -20 ? -20 : x, limited = above > 20 ? 20 : above, u = NAME(gelu_argument)(x);
    const REAL inner = (REAL)(2 * TANH_ROOT) * (1 + (REAL)(3 * 0.044715) * limited * limited);
    return NAME(sigmoid)(u) + limited * inner * NAME(sigmoid_slope)(u);
}

/* min(max(x + 3, 0), 6) / 6 */
ALWAYS_INLINE REAL NAME(hard_sigmoid)(REAL x) {
    const REAL above = x < -3 ? 0 : x + 3, limited = above > 6 ? 6 : above;
    return limited * (REAL)(1.0 / 6);
}

ALWAYS_INLINE REAL NAME(hard_swish_slope)(REAL x) {
    const REAL inside = (2 * x + 3) * (REAL)(1.0 / 6), right = x < 3 ? inside : 1;
    return x > -3 ? right : 0;
}

#define EACH(expression)                                                                                               \
    do {                                                                                                               \
        INDEPENDENT for (ptrdiff_t i = 0; i < n; i++) y[i] = (expression);                                             \
    } while (0)

/* y[0 .. n-1] = f(x) */
OWN_FUNCTION void NAME(pointwise)(int function, const REAL *x, REAL *y, ptrdiff_t n, REAL a, REAL s) {
    const REAL inverse = 1 / a;
    switch (function) {
    case RELU: EACH(x[i] < 0 ? 0 : x[i]); break;
    case LEAKY_RELU: EACH((x[i] < 0 ? a : 1) * x[i]); break;
    case SIGMOID: EACH(NAME(sigmoid)(x[i])); break;
    case TANH: EACH(a * NAME(tanh)(s * x[i])); break;
    case SOFTPLUS: EACH(NAME(softplus)(x[i], a, inverse)); break;
    case ABS: EACH(NAME(size)(x[i])); break;
    case SOFTABS: EACH(NAME(softabs)(x[i], a, inverse)); break;
    case GAIN: EACH(a * x[i]); break;
    case ELU: EACH(NAME(where)(x[i] < 0, a * NAME(expm1)(x[i] < 0 ? x[i] : 0), x[i])); break;
    case GELU:
        if (a == 1) EACH(x[i] * NAME(sigmoid)(NAME(gelu_argument)(x[i])));
        else EACH(x[i] * NAME(normal_below)(x[i]));
        break;
    case SILU: EACH(x[i] * NAME(sigmoid)(x[i])); break;
    case HARD_SWISH: EACH(x[i] * NAME(hard_sigmoid)(x[i])); break;
    }
}

/* y[0 .. n-1] = dy f', from v = x (RELU and ELU: from v = f(x); LEAKY_RELU: from either, if a > 0) */
OWN_FUNCTION void NAME(pointwise_backward)(int function, const REAL *v, const REAL *dy, REAL *y, ptrdiff_t n, REAL a,
                                           REAL s) {
    switch (function) {
    case RELU: EACH(NAME(where)(v[i] > 0, dy[i], 0)); break;
    case LEAKY_RELU: EACH((v[i] > 0 ? 1 : a) * dy[i]); break;
    case SIGMOID: EACH(dy[i] * NAME(sigmoid_slope)(v[i])); break;
    case TANH: EACH(dy[i] * (4 * a * s) * NAME(sigmoid_slope)(2 * s * v[i])); break;
    case SOFTPLUS: EACH(dy[i] * NAME(sigmoid)(a * v[i])); break;
    case ABS: EACH(NAME(where)(v[i] > 0, dy[i], NAME(where)(v[i] < 0, -dy[i], 0))); break;
    case SOFTABS: EACH(dy[i] * NAME(tanh)(a / 2 * v[i])); break;
    case GAIN: EACH(a * dy[i]); break;
    case ELU: EACH(NAME(where)(v[i] > 0, dy[i], dy[i] * (v[i] + a))); break;
    case GELU:
        if (a == 1) EACH(dy[i] * NAME(gelu_tanh_slope)(v[i]));
        else EACH(dy[i] * NAME(gelu_slope)(v[i]));
        break;
    case SILU: EACH(dy[i] * (NAME(sigmoid)(v[i]) + v[i] * NAME(sigmoid_slope)(v[i]))); break;
    case HARD_SWISH: EACH(dy[i] * NAME(hard_swish_slope)(v[i])); break;
    }
}

/* v may be NULL: everywhere */
OWN_FUNCTION void NAME(add)(const REAL *left, const REAL *right, REAL *y, const REAL *v, ptrdiff_t n, int rectified) {
    if (v) EACH(NAME(where)(v[i] > 0, left[i] + right[i], 0));
    else if (rectified) EACH(left[i] + right[i] < 0 ? 0 : left[i] + right[i]);
    else EACH(left[i] + right[i]);
}

OWN_FUNCTION void NAME(multiply)(const REAL *x, const REAL *z, REAL *y, ptrdiff_t n) { EACH(x[i] * z[i]); }

#undef EACH

/* y = x times one number for each lane */
ALWAYS_INLINE void NAME(scale_lanes_of)(const REAL *x, const REAL *z, REAL *y, ptrdiff_t n, int lanes) {
    for (ptrdiff_t i = 0; i < n; i += lanes) {
        INDEPENDENT for (int l = 0; l < lanes; l++) y[i + l] = x[i + l] * z[l];
    }
}

OWN_FUNCTION void NAME(scale_lanes)(const REAL *x, const REAL *z, REAL *y, ptrdiff_t n, int lanes) {
    if (lanes == 32) NAME(scale_lanes_of)(x, z, y, n, 32);
    else NAME(scale_lanes_of)(x, z, y, n, 8);
}

#define SUM(expression)                                                                                                \
    do {                                                                                                               \
        for (ptrdiff_t i = 0; i < n; i += lanes) {                                                                     \
            for (int l = 0; l < lanes; l++) sums[l] += dy[i + l] * (expression);                                       \
        }                                                                                                              \
    } while (0)

ALWAYS_INLINE void NAME(by_parameter_lanes)(int function, const REAL *x, const REAL *dy, ptrdiff_t n, int lanes, REAL k,
                                            double *totals) {
    const REAL inverse = 1 / k;
    REAL sums[32] = {0};
    switch (function) {
    case SOFTPLUS: SUM(NAME(softplus_by_k)(x[i + l], k, inverse)); break;
    case SOFTABS: SUM(NAME(softabs_by_k)(x[i + l], k, inverse)); break;
    case GAIN: SUM(x[i + l]); break;
    case LEAKY_RELU: SUM(x[i + l] < 0 ? x[i + l] : 0); break;
    }
    for (int l = 0; l < lanes; l++) totals[l] += sums[l];
}

#undef SUM

/* totals[lane] += sum of dy df/dk over the n / lanes pixels of a row, k being the number `a` of the function. A row is
 * summed in its own precision, rows are in double. */
OWN_FUNCTION void NAME(pointwise_by_parameter)(int function, const REAL *x, const REAL *dy, ptrdiff_t n, int lanes,
                                               REAL k, double *totals) {
    if (lanes == 32) NAME(by_parameter_lanes)(function, x, dy, n, 32, k, totals);
    else NAME(by_parameter_lanes)(function, x, dy, n, 8, k, totals);
}

/* totals[lane] += sum of dy x over the pixels of a row */
OWN_FUNCTION void NAME(product_sums)(const REAL *x, const REAL *dy, ptrdiff_t n, int lanes, double *totals) {
    NAME(pointwise_by_parameter)(GAIN, x, dy, n, lanes, 1, totals);
}

#endif
