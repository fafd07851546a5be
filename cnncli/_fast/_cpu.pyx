"""What this processor can do. Compiled without any extra flags, so that it runs everywhere."""

cdef extern from *:
    """
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    static int has_avx2(void) { __builtin_cpu_init(); return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
    static int has_avx512(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    }
    #else
    static int has_avx2(void) { return 0; }
    static int has_avx512(void) { return 0; }
    #endif
    #ifdef _OPENMP
    static int has_openmp(void) { return 1; }
    #else
    static int has_openmp(void) { return 0; }
    #endif
    """
    int has_avx2()
    int has_avx512()
    int has_openmp()


def variants():
    """Kernel variants that this processor can run, best first."""
    return [name for name, there in (("avx512", has_avx512()), ("avx2", has_avx2()), ("baseline", True)) if there]


def openmp():
    """Whether the kernels were compiled with OpenMP."""
    return bool(has_openmp())
