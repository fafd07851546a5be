/* exp, expm1, log1p, erfc and tanh of float without branches, so that loops over them become vector code; of double the C library's.
 *
 * Largest errors found over a thirteenth of all floats, in units in the last place (ulp), with and without fused
 * multiply-add: exp 1.0, tanh 1.4, log1p (for 0 <= x <= 1 only) 1.3. NaN gives NaN; infinities, overflow and underflow
 * by way of subnormal numbers are as in the C library.
 *
 * References
 * a) Moshier, Cephes mathematical library (expf.c, tanhf.c), 1989: reduction and polynomials of exp and tanh.
 * b) Sun Microsystems, fdlibm (e_log.c), 1993: log(1 + x) = x - s (x - r(s^2)) with s = x / (2 + x).
 */
#ifndef CNNCLI_VECTORMATH_H
#define CNNCLI_VECTORMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "template.h"

ALWAYS_INLINE int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* 2^n for -126 <= n <= 127 */
ALWAYS_INLINE float power_of_two(int32_t n) {
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2 */
ALWAYS_INLINE float exp_rest_f32(float r) {
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    return p * r + 5.0000001201e-1f;
}

/* exp(x) = 2^n exp(r), n = x / ln 2 rounded: adding 1.5 * 2^23 rounds, and leaves n in the low bits of the sum. */
ALWAYS_INLINE float exp_f32(float x) {
    const float magic = 12582912.0f;
    const float above = x < -104.0f ? -104.0f : x; /* exp(-104) rounds to 0, exp(89) to infinity */
    const float limited = above > 89.0f ? 89.0f : above;
    const float shifted = limited * 1.44269504088896341f + magic;
    const float rounded = shifted - magic;
    const float r = limited - rounded * 0.693359375f + rounded * 2.12194440e-4f; /* ln 2 in two parts */
    const float p = exp_rest_f32(r) * (r * r) + r + 1.0f;
    const int32_t n = (int32_t)((uint32_t)bits_of(shifted) - (uint32_t)bits_of(magic));
    const int32_t half = n >> 1; /* two steps: 2^n alone may be infinite or subnormal */
    return p * power_of_two(half) * power_of_two(n - half);
}

/* exp(x) - 1 for x <= 0 */
ALWAYS_INLINE float expm1_f32(float x) {
    const float r = x > -0.34f ? x : -0.34f;
    const float near = exp_rest_f32(r) * (r * r) + r;
    const float far = exp_f32(x) - 1.0f;
    return x > -0.34f ? near : far;
}

/* erfc(z) exp(z^2) / t for z >= 0 and t = 1 / (1 + z / 2) is exp of a smooth function of t, here a polynomial that was
 * fitted in the Chebyshev points of 0 <= z <= 9.6 (beyond, erfc is 0 in float); largest error 5e-8 */
ALWAYS_INLINE float erfc_exponent_f32(float t) {
    float p = 0.14144113f;
    p = p * t - 0.6617397f;
    p = p * t + 1.11159449f;
    p = p * t - 0.6358495f;
    p = p * t - 0.13053308f;
    p = p * t + 0.02813827f;
    p = p * t + 0.02539905f;
    p = p * t + 0.38858118f;
    p = p * t + 0.99840488f;
    return p * t - 1.26543667f;
}

ALWAYS_INLINE float erfc_f32(float z) { /* z >= 0 */
    const float limited = z > 14.0f ? 14.0f : z;
    const float t = 1.0f / (1.0f + 0.5f * limited);
    return t * exp_f32(erfc_exponent_f32(t) - limited * limited);
}

ALWAYS_INLINE float log1p_f32(float x) {
    const float s = x / (2.0f + x);
    const float z = s * s;
    float r = 0.11619398f;
    r = r * z + 0.1085169f;
    r = r * z + 0.14296289f;
    r = r * z + 0.19999851f;
    r = r * z + 0.33333334f;
    return x - s * (x - 2.0f * z * r);
}

ALWAYS_INLINE float tanh_f32(float x) {
    const float size = fabsf(x);
    const float z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    const float small = p * z * x + x;
    const float large = 1.0f - 2.0f / (exp_f32(2.0f * size) + 1.0f);
    const float signed_large = x < 0 ? -large : large;
    return size < 0.625f ? small : signed_large;
}

/* sinh(x) for 0 <= x <= 1/2: the first terms of its series */
ALWAYS_INLINE float short_sinh_f32(float x) {
    const float z = x * x;
    return x + x * z * (1.6666667e-1f + z * (8.3333333e-3f + z * (1.9841270e-4f + z * 2.7557319e-6f)));
}

ALWAYS_INLINE float size_f32(float x) { return fabsf(x); }
ALWAYS_INLINE double exp_f64(double x) { return exp(x); }
ALWAYS_INLINE double expm1_f64(double x) { return expm1(x); }
ALWAYS_INLINE double erfc_f64(double z) { return erfc(z); }
ALWAYS_INLINE double log1p_f64(double x) { return log1p(x); }
ALWAYS_INLINE double tanh_f64(double x) { return tanh(x); }
ALWAYS_INLINE double short_sinh_f64(double x) { return sinh(x); }
ALWAYS_INLINE double size_f64(double x) { return fabs(x); }

#endif
