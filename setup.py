"""Compiles the kernels: every source in cnncli/_fast for every row of VARIANTS.

Everything else about the package stands in pyproject.toml.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FAST = Path("cnncli/_fast")
GENERATED = Path("build/kernels")
VARIANTS = {"baseline": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    VARIANTS["avx2"] = ["-mavx2", "-mfma"]
    VARIANTS["avx512"] = ["-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"]
if chosen := os.environ.get("CNN_VARIANTS"):  # for tests that build the kernels anew, such as with sanitizers
    VARIANTS = {name: VARIANTS[name] for name in chosen.split(",")}
FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-Wno-unknown-pragmas"]
FLAGS += ["-fno-wrapv"]  # Python's own flags have -fwrapv, which keeps the compiler from making vectors of many loops
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
}
SHARED = "cnncli._fast._cyutility"  # memory view code, compiled once instead of in every module


def openmp_flags() -> list[str]:
    """``-fopenmp`` if the compiler takes it, else nothing: the kernels then run on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
        command = [*os.environ.get("CC", "cc").split(), "-fopenmp", str(source), "-o", str(Path(folder, "probe"))]
        try:
            built = subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            built = False
    return ["-fopenmp"] if built else []


def write_if_changed(path: Path, data: bytes) -> None:
    """Keep the old time stamp where nothing changed, so that a rebuild compiles only what did."""
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def extensions() -> list[Extension]:
    GENERATED.mkdir(parents=True, exist_ok=True)
    openmp = openmp_flags()
    shared = GENERATED / "_cyutility.c"
    if not shared.exists():
        subprocess.run([sys.executable, "-m", "cython", f"--generate-shared={shared}"], check=True)
    common = {"include_dirs": [str(FAST)], "extra_link_args": openmp}
    found = [
        Extension(SHARED, [str(shared)], extra_compile_args=["-O1", "-g0"]),
        Extension("cnncli._fast._cpu", [str(FAST / "_cpu.pyx")], extra_compile_args=["-O1", "-g0", *openmp], **common),
    ]
    headers = [str(path) for path in sorted([*FAST.glob("*.h"), *FAST.glob("*.pxd")])]
    for source in sorted(FAST.glob("[a-z]*.pyx")):
        for variant, flags in VARIANTS.items():
            copy = GENERATED / f"_{source.stem}_{variant}.pyx"
            write_if_changed(copy, source.read_bytes())
            found.append(
                Extension(
                    f"cnncli._fast.{copy.stem}",
                    [str(copy)],
                    depends=headers,
                    extra_compile_args=[*FLAGS, *flags, *openmp],
                    **common,
                )
            )
    return cythonize(
        found,
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        build_dir=None,
        nthreads=os.cpu_count() or 1,
        quiet=True,
    )


class BuildInParallel(build_ext):
    """Compiles on all processors."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()


if __name__ == "__main__":
    if shutil.which(os.environ.get("CC", "cc").split()[0]) is None:
        sys.exit("cnncli needs a C compiler to build (Debian: apt-get install gcc python3-dev)")
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildInParallel})
