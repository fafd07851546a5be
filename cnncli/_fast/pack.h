/* One row of the images of a block into lanes, four bytes of each image at a time: they are read together and then taken
 * apart for all lanes at once, which is vector code in every variant.
 *
 * The file includes itself once for each type of pixels and precision.
 */
#ifndef CNNCLI_PACK_H
#define CNNCLI_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "template.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define PLACE(i, count) ((count) - 1 - (i))
#else
#define PLACE(i, count) (i)
#endif

/* Pixel i of the bytes in `word`; 8 bits as 16, so that both depths give the same numbers. */
ALWAYS_INLINE int pixel_u8(uint32_t word, int i) { return 257 * (int)(word >> 8 * PLACE(i, 4) & 0xff); }
ALWAYS_INLINE int pixel_u16(uint32_t word, int i) { return (int)(word >> 16 * PLACE(i, 2) & 0xffff); }
ALWAYS_INLINE float pixel_f32(uint32_t word, int i) {
    float value;
    (void)i;
    memcpy(&value, &word, sizeof value);
    return value;
}

#define REAL float
#define PIXEL uint8_t
#define TAKE pixel_u8
#define SUFFIX u8_f32
#include "pack.h"
#define PIXEL uint16_t
#define TAKE pixel_u16
#define SUFFIX u16_f32
#include "pack.h"
#define PIXEL float
#define TAKE pixel_f32
#define SUFFIX f32_f32
#include "pack.h"
#undef REAL

#define REAL double
#define PIXEL uint8_t
#define TAKE pixel_u8
#define SUFFIX u8_f64
#include "pack.h"
#define PIXEL uint16_t
#define TAKE pixel_u16
#define SUFFIX u16_f64
#include "pack.h"
#define PIXEL float
#define TAKE pixel_f32
#define SUFFIX f32_f64
#include "pack.h"
#undef REAL

#else /* the template ------------------------------------------------------------------------------------------ */

#define TOGETHER ((int)(sizeof(uint32_t) / sizeof(PIXEL)))

ALWAYS_INLINE void NAME(row_of_lanes)(const PIXEL *const *source, int valid, int lanes, int samples, int channels,
                                      const double *scale, const double *shift, REAL *x, ptrdiff_t x_channel,
                                      ptrdiff_t x_pixel) {
    uint32_t word[32] = {0};
    int c = 0;
    for (int j = 0; j < samples; j += TOGETHER) {
        const int count = samples - j < TOGETHER ? samples - j : TOGETHER;
        if (count == TOGETHER) {
            for (int l = 0; l < valid; l++) memcpy(word + l, source[l] + j, sizeof *word);
        } else {
            for (int l = 0; l < valid; l++) memcpy(word + l, source[l] + j, count * sizeof(PIXEL));
        }
        for (int i = 0; i < count; i++) {
            const REAL factor = (REAL)scale[c], offset = (REAL)shift[c];
            REAL *const to = x + c * x_channel;
            INDEPENDENT for (int l = 0; l < lanes; l++) to[l] = TAKE(word[l], i) * factor + offset;
            for (int l = valid; l < lanes; l++) to[l] = 0;
            if (++c == channels) {
                c = 0;
                x += x_pixel;
            }
        }
    }
}

/* x[channel, column, lane] = source[lane][column, channel] * scale + shift for the first `valid` lanes, else 0; a row of
 * the source has `samples` numbers. */
OWN_FUNCTION void NAME(pack_row)(const PIXEL *const *source, int valid, int lanes, int samples, int channels,
                                 const double *scale, const double *shift, REAL *x, ptrdiff_t x_channel,
                                 ptrdiff_t x_pixel) {
    if (lanes == 32) NAME(row_of_lanes)(source, valid, 32, samples, channels, scale, shift, x, x_channel, x_pixel);
    else NAME(row_of_lanes)(source, valid, 8, samples, channels, scale, shift, x, x_channel, x_pixel);
}

#undef TOGETHER
#undef PIXEL
#undef TAKE
#undef SUFFIX
#endif
