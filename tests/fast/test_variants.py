"""The choice of kernels, and that all variants offer the same."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cnncli import _fast

SOURCES = sorted(path.stem for path in Path(_fast.__file__).parent.glob("[a-z]*.pyx"))


def _module(kernel: str, variant: str) -> ModuleType:
    return import_module(f"cnncli._fast._{kernel}_{variant}")


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key != "CNN_KERNELS"}
    return subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, env=kept | environment, check=False
    )


def test_baseline_is_always_there() -> None:
    assert _fast.available()[-1] == "baseline"
    assert len(SOURCES) >= 7


@pytest.mark.parametrize("kernel", SOURCES)
def test_variants_have_the_same_functions(kernel: str) -> None:
    seen = [
        {
            name: (str(inspect.signature(value)), value.__doc__, sorted(getattr(value, "__signatures__", {})))
            for name, value in _public(_module(kernel, variant)).items()
        }
        for variant in _fast.available()
    ]
    assert seen[0]
    assert all(functions == seen[0] for functions in seen)


@pytest.mark.parametrize("kernel", SOURCES)
@pytest.mark.parametrize("variant", _fast.available())
def test_functions_are_documented_and_take_both_precisions(kernel: str, variant: str) -> None:
    for name, value in _public(_module(kernel, variant)).items():
        precisions = getattr(value, "__signatures__", None)
        assert precisions is None or set(precisions) == {"float", "double"}, f"{kernel}.{name}"
        assert value.__doc__, f"{kernel}.{name} has no docstring"
    for dtype in ("float32", "float64"):
        functions = getattr(_fast.kernels(dtype, variant), kernel)
        assert set(vars(functions)) == set(_public(_module(kernel, variant)))


@pytest.mark.parametrize("wanted", _fast.available())
def test_the_environment_chooses(wanted: str) -> None:
    code = (
        "import sys; from cnncli import _fast; _fast.kernels('float32').conv2d;"
        "print(_fast.variant(), *(m for m in sys.modules if m.startswith('cnncli._fast._conv2d')))"
    )
    done = _python(code, CNN_KERNELS=wanted)
    assert done.stdout.split() == [wanted, f"cnncli._fast._conv2d_{wanted}"], done.stderr  # and no other is imported


def test_an_unknown_variant_is_refused() -> None:
    done = _python("from cnncli import _fast; _fast.variant()", CNN_KERNELS="sse9")
    assert done.returncode == 1
    assert f"CNN_KERNELS=sse9: this installation and processor have {', '.join(_fast.available())}" in done.stderr


def test_precisions_cannot_be_mixed() -> None:
    single, double = np.zeros((1, 1, 1, 1, 32), np.float32), np.zeros((1, 1, 1, 1, 32))
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        _fast.kernels("float32").elementwise.copy(single, double, 1, 1)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux shows them")
@pytest.mark.skipif(not _fast._cpu.openmp(), reason="built without OpenMP")
@pytest.mark.parametrize(("pixels", "threads"), [(4, 1), (40, 3)])
def test_threads_are_woken_for_large_work_only(pixels: int, threads: int) -> None:
    """Or else the tests that compare thread counts would compare one thread with itself."""
    code = (
        "import os, numpy as np; from cnncli import _fast\n"
        f"x = np.ones((4, 4, {pixels}, {pixels}, 32)); y = np.empty_like(x)\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "_fast.kernels('float64').elementwise.copy(x, y, 4, 3)\n"
        "assert (x == y).all(); print(1 + len(os.listdir('/proc/self/task')) - before)"
    )
    done = _python(code)
    assert done.stdout.split() == [str(threads)], done.stderr


def test_denormals_survive_the_import() -> None:
    """Some compiler flags switch them off for the whole process."""
    code = "from cnncli import _fast; _fast.kernels('float32').conv2d; print(5e-324 / 1 > 0, 1e-310 * 0.5 > 0)"
    assert _python(code).stdout.split() == ["True", "True"]
