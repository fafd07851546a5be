"""The machine's peak: multiply-adds per second from registers, and bytes per second of a triad, with plain C.

``peak.c`` is compiled when it is needed, into a temporary folder, with the flags of each kernel variant. Baseline has
no fused multiply-add on x86, so its peak is that of a multiplication and an addition.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from rounds import table

SOURCE = Path(__file__).with_name("peak.c")
X86 = platform.machine().lower() in ("x86_64", "amd64")
VARIANTS = {  # bytes of a vector, and the flags that setup.py gives the kernels
    "avx512": (64, ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"]),
    "avx2": (32, ["-mavx2", "-mfma"]),
    "baseline": (16, []),
}


@cache
def compiled(variant: str) -> ctypes.CDLL:
    """The functions of ``peak.c`` for a kernel variant."""
    width, flags = VARIANTS[variant]
    compiler = os.environ.get("CC", "cc").split()
    with tempfile.TemporaryDirectory() as folder:
        library = str(Path(folder, "peak.so"))
        how = ["-O3", "-ffp-contract=fast", "-fopenmp", "-shared", "-fPIC", f"-DW={width}", *flags]
        subprocess.run([*compiler, *how, str(SOURCE), "-o", library], check=True)
        found = ctypes.CDLL(library)
    found.fma_rate.restype = found.triad_rate.restype = ctypes.c_double
    return found


def fma_peak(variant: str, threads: int, seconds: float = 0.1) -> float:
    """Floating point operations per second, two for each multiply-add; one measurement of about `seconds`."""
    library, steps = compiled(variant), 200_000
    first: float = library.fma_rate(threads, ctypes.c_long(steps))
    per_step = threads * 12 * 2 * VARIANTS[variant][0] // 4 / first
    rate: float = library.fma_rate(threads, ctypes.c_long(max(steps, int(seconds / per_step))))
    return rate


def triad_peak(variant: str, threads: int, size: int, seconds: float = 0.1) -> float:
    """Bytes per second of a = b + s c over three arrays of `size` bytes in all."""
    library, n = compiled(variant), max(size // 12, 1024)
    a, b, c = (np.ones(n, np.float32) for _ in range(3))
    places = [ctypes.c_void_p(array.ctypes.data) for array in (a, b, c)]
    first: float = library.triad_rate(threads, ctypes.c_long(n), 2, *places)
    rate: float = library.triad_rate(threads, ctypes.c_long(n), max(2, int(seconds * first / (12 * n))), *places)
    return rate


def runnable() -> list[str]:
    """Variants that this processor can run, best first."""
    from cnncli import _fast

    return [name for name in VARIANTS if name in _fast.available()]


def main() -> None:
    """Print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    found = []
    for variant in runnable():
        for threads in options.threads:
            rates = [fma_peak(variant, threads) / 1e9 for _ in range(options.rounds)]
            found.append({"variant": variant, "threads": threads, "median": float(np.median(rates)), "max": max(rates)})
    if options.json:
        json.dump(found, sys.stdout)
        print()
    else:
        rows = [(f"{f['variant']}, {f['threads']} threads", f"{f['median']:.1f}", f"{f['max']:.1f}") for f in found]
        print(table(("Gflop/s", "median", "max"), rows))


if __name__ == "__main__":
    main()
