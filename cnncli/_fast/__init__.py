"""The compiled kernels: one source each, compiled for several instruction sets, the best of which is chosen here.

`kernels` gives the kernels of one variant and precision. Only modules of the chosen variant are ever imported, since
importing one may already run its instructions. ``CNN_KERNELS=baseline|avx2|avx512`` in the environment overrides the
choice.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Any

# A thread that waits for another sleeps after some microseconds: on a busy machine spinning keeps the other from
# running.
# libgomp reads this when it is loaded, so it is set before the first kernel is.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

try:
    from cnncli._fast import _cpu  # type: ignore[attr-defined]
except ImportError as error:
    raise ImportError(
        f"the kernels in {os.path.dirname(__file__)} are not compiled: in a checkout run `make build`, "
        "or start Python in another folder to use the installed package"
    ) from error

PRECISIONS = {"float32": "float", "float64": "double"}


def available() -> list[str]:
    """Variants that were built and that this processor can run, best first."""
    return [name for name in _cpu.variants() if importlib.util.find_spec(f"cnncli._fast._conv2d_{name}")]


@cache
def variant() -> str:
    """The variant in use.

    Raises
    ------
    ImportError
        If ``CNN_KERNELS`` names a variant that does not exist or that this processor cannot run.
    """
    wanted = os.environ.get("CNN_KERNELS", "")
    there = available()
    if wanted and wanted not in there:
        raise ImportError(f"CNN_KERNELS={wanted}: this installation and processor have {', '.join(there)}")
    if not there:
        raise ImportError("the kernels of cnncli are not built; install the package with pip")
    return wanted or there[0]


class _Module:
    """The functions of one kernel module, those with two precisions already specialised."""

    def __init__(self, module: Any, precision: str) -> None:
        for name, value in vars(module).items():
            if not name.startswith("_") and callable(value):
                specialised = getattr(value, "__signatures__", None)
                setattr(self, name, value[PRECISIONS[precision]] if specialised else value)


class Kernels:
    """All kernels of one variant and precision, each module loaded when first used: ``kernels.conv2d.forward(...)``."""

    def __init__(self, variant: str, precision: str) -> None:
        self.variant = variant
        self.precision = precision

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        module = importlib.import_module(f"cnncli._fast._{name}_{self.variant}")
        functions = _Module(module, self.precision)
        setattr(self, name, functions)
        return functions


@cache
def kernels(precision: str, wanted: str | None = None) -> Kernels:
    """The kernels for ``"float32"`` or ``"float64"``, of the variant in use or of a named one."""
    return Kernels(wanted or variant(), precision)
