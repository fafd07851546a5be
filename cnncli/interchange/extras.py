"""The packages that other formats need, which are optional."""

from __future__ import annotations

import importlib
from typing import Any

from cnncli.errors import SpecError


def need(package: str, extra: str) -> Any:
    """Import an optional package.

    Raises
    ------
    SpecError
        It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise SpecError(f"this needs {package}; pip install 'cnncli[{extra}]'") from None
