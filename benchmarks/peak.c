/* What the machine can do at best: multiply-adds in registers, and a triad through memory. W is a vector's bytes. */
#include <omp.h>
#include <stddef.h>
#include <time.h>

#define ACCUMULATORS 12 /* independent sums: more than latency times throughput of any multiply-adder in use */

typedef float vector __attribute__((vector_size(W)));

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static float chains(long steps) {
    vector sums[ACCUMULATORS], factor = (vector){} + 0.999f, addend = (vector){} + 0.001f, total = {};
    /* not 1, the fixed point: its chain would be no work */
    for (int i = 0; i < ACCUMULATORS; i++) sums[i] = (vector){} + (float)(2 + i);
    for (long step = 0; step < steps; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < ACCUMULATORS; i++) sums[i] = sums[i] * factor + addend;
    }
    for (int i = 0; i < ACCUMULATORS; i++) total += sums[i];
    return total[0];
}

/* Floating point operations per second, two for each multiply-add. */
double fma_rate(int threads, long steps) {
    double kept = 0, began = now();
#pragma omp parallel num_threads(threads) reduction(+ : kept)
    kept += chains(steps);
    double seconds = now() - began;
    return kept == 0 ? 0 : threads * (double)steps * ACCUMULATORS * 2 * (W / sizeof(float)) / seconds;
}

/* Bytes per second of a = b + s c over n floats each, two reads and a write counted. */
double triad_rate(int threads, long n, int repeats, float *a, const float *b, const float *c) {
    double began = now();
    for (int r = 0; r < repeats; r++) {
#pragma omp parallel for num_threads(threads) schedule(static)
        for (long i = 0; i < n; i++) a[i] = b[i] + 3.0f * c[i];
    }
    return repeats * 12.0 * n / (now() - began);
}
