/* Philox2x32-10 (Salmon et al., SC 2011): 64 random bits as a function of a key and a 64-bit counter; cnncli/random.py has the
 * same function in numpy. */
#ifndef CNNCLI_PHILOX_H
#define CNNCLI_PHILOX_H
#include <stdint.h>

static inline uint64_t philox(uint32_t key, uint64_t counter) {
    uint64_t low = counter & 0xFFFFFFFFu, high = counter >> 32;
    for (int i = 0; i < 10; i++) {
        const uint64_t product = low * 0xD256D193u;
        low = (product >> 32) ^ key ^ high;
        high = product & 0xFFFFFFFFu;
        key += 0x9E3779B9u;
    }
    return (high << 32) | low;
}
#endif
