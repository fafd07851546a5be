/* What headers share that include themselves once per precision: REAL is the type, SUFFIX names its functions. */
#ifndef CNNCLI_TEMPLATE_H
#define CNNCLI_TEMPLATE_H

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define NAME(base) JOIN(base, SUFFIX)
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define OWN_FUNCTION static __attribute__((noinline, unused))

/* Before a loop whose elements do not depend on each other although input and output may be the same memory: without it
 * the compiler compares addresses at run time and falls back to a scalar loop exactly where a layer works in place. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#endif
