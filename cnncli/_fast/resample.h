/* Images moved, turned, stretched and bent, bilinear between pixels; smoothing; and noise. float only.
 *
 * An image is first copied into a plane with a border of one pixel that holds what lies outside. Coordinates are limited to
 * that border, so that the loops have no branches and become vector code with gathered loads.
 */
#ifndef CNNCLI_RESAMPLE_H
#define CNNCLI_RESAMPLE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "philox.h"
#include "template.h"

#define VECTOR 16
#define MAX_RADIUS 64 /* of a Gaussian in pixels */

ALWAYS_INLINE ptrdiff_t whole_vectors(ptrdiff_t size) { return (size + VECTOR - 1) / VECTOR * VECTOR; }

/* to 0..high; NaN, too, is brought there */
ALWAYS_INLINE float limited(float x, float high) {
    const float above = x > 0.0f ? x : 0.0f;
    return above > high ? high : above;
}

/* Where the pixels of an output row come from: the row starts at (row, column) of the bordered plane, and a step to the
 * right is (row_step, column_step) there; each pixel moves by (row_shift, column_shift) besides. place is that of the upper left of four pixels; down and right are the shares of
 * the lower and the right ones. Whole vectors are written, so up to VECTOR - 1 elements more. */
OWN_FUNCTION void find_sources(int32_t *restrict place, float *restrict down, float *restrict right, float row,
                               float column, float row_step, float column_step, const float *restrict row_shift,
                               const float *restrict column_shift, int height, int width) {
    for (int j = 0; j < whole_vectors(width); j++) {
        const float r = limited(row + (float)j * row_step + row_shift[j], (float)(height + 1));
        const float c = limited(column + (float)j * column_step + column_shift[j], (float)(width + 1));
        const int32_t whole_r = (int32_t)r, whole_c = (int32_t)c;
        const int32_t i = whole_r > height ? height : whole_r, k = whole_c > width ? width : whole_c;
        place[j] = i * (width + 2) + k;
        down[j] = r - (float)i;
        right[j] = c - (float)k;
    }
}

/* The pixels of the result, as find_sources says. Without a share of a neighbour its value does not count at all: whole
 * steps copy. */
OWN_FUNCTION void interpolate(float *restrict out, const float *restrict plane, const int32_t *restrict place,
                              const float *restrict down, const float *restrict right, int width, ptrdiff_t size) {
    for (ptrdiff_t p = 0; p < size; p++) {
        const float *from = plane + place[p];
        const float upper = from[0] + right[p] * (from[1] - from[0]);
        const float lower = from[width + 2] + right[p] * (from[width + 3] - from[width + 2]);
        out[p] = upper + down[p] * (lower - upper);
    }
}

/* The weights of a Gaussian from -radius to radius, which add up to 1; returns the radius, four deviations. */
ALWAYS_INLINE int gaussian(float *weights, float sigma) {
    const int radius = sigma * 4.0f < (float)MAX_RADIUS ? (int)ceilf(sigma * 4.0f) : MAX_RADIUS;
    double total = 0.0;
    for (int t = -radius; t <= radius; t++) total += exp(-0.5 * t * t / ((double)sigma * sigma));
    for (int t = -radius; t <= radius; t++)
        weights[t + radius] = (float)(exp(-0.5 * t * t / ((double)sigma * sigma)) / total);
    return radius;
}

/* The plane, smoothed along rows and columns, in place; outside it goes on with its nearest pixel (edge) or 0. line has
 * width + 2 * MAX_RADIUS elements, between as many as the plane. */
OWN_FUNCTION void smooth(float *restrict plane, float *restrict between, float *restrict line, const float *weights,
                         int radius, int edge, int height, int width) {
    for (int i = 0; i < height; i++) {
        float *row = between + (ptrdiff_t)i * width;
        const float *from = plane + (ptrdiff_t)i * width;
        for (int j = 0; j < width + 2 * radius; j++) {
            const int k = j - radius, inside = k < 0 ? 0 : k >= width ? width - 1 : k;
            line[j] = edge || k == inside ? from[inside] : 0.0f;
        }
        for (int j = 0; j < width; j++) row[j] = 0.0f;
        for (int t = 0; t <= 2 * radius; t++)
            for (int j = 0; j < width; j++) row[j] += weights[t] * line[j + t];
    }
    for (int i = 0; i < height; i++) {
        float *row = plane + (ptrdiff_t)i * width;
        for (int j = 0; j < width; j++) row[j] = 0.0f;
        for (int t = 0; t <= 2 * radius; t++) {
            const int k = i + t - radius, inside = k < 0 ? 0 : k >= height ? height - 1 : k;
            if (!edge && k != inside) continue;
            const float *from = between + (ptrdiff_t)inside * width;
            for (int j = 0; j < width; j++) row[j] += weights[t] * from[j];
        }
    }
}

/* rows, columns += alpha times two smoothed fields of numbers in [-1, 1), by the key and the position, as in add_noise. */
OWN_FUNCTION void add_displacement(float *rows, float *columns, float *field, float *between, float *line, float alpha,
                                   float sigma, uint64_t key, uint32_t position, int height, int width) {
    const ptrdiff_t size = (ptrdiff_t)height * width;
    float weights[2 * MAX_RADIUS + 1];
    const int radius = gaussian(weights, sigma);
    for (int axis = 0; axis < 2; axis++) {
        float *sum = axis ? columns : rows;
        for (ptrdiff_t p = 0; p < size; p++) {
            const uint64_t bits = philox((uint32_t)key, (key >> 32 << 32) | (position + (uint32_t)p));
            field[p] = (float)((axis ? bits & 0xFFFFFFFF : bits >> 32) >> 8) * 0x1p-23f - 1.0f;
        }
        smooth(field, between, line, weights, radius, 0, height, width);
        for (ptrdiff_t p = 0; p < size; p++) sum[p] += alpha * field[p];
    }
}

/* A plane made unsharp, in place. */
OWN_FUNCTION void blur(float *plane, float *between, float *line, float sigma, int height, int width) {
    float weights[2 * MAX_RADIUS + 1];
    smooth(plane, between, line, weights, gaussian(weights, sigma), 1, height, width);
}

/* out += deviation * z, z standard normal (Box and Muller's transform, both numbers of a pair); a function of the key, the
 * upper half of the counter, and the position. */
OWN_FUNCTION void add_noise(float *out, ptrdiff_t size, float deviation, uint64_t key, uint32_t position) {
    for (ptrdiff_t p = 0; p < size; p += 2) {
        const uint64_t bits = philox((uint32_t)key, (key >> 32 << 32) | (position + (uint32_t)(p / 2)));
        const float u = ((float)(bits >> 40) + 0.5f) * 0x1p-24f;
        const float angle = (float)((bits >> 8) & 0xFFFFFF) * (6.2831853f * 0x1p-24f);
        const float radius = deviation * sqrtf(-2.0f * logf(u));
        out[p] += radius * cosf(angle);
        if (p + 1 < size) out[p + 1] += radius * sinf(angle);
    }
}
#endif
