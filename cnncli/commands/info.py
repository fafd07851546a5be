"""``cnn info``."""

from __future__ import annotations

import re
from typing import Any

import click

from cnncli.commands import _options
from cnncli.commands._console import result, result_json

FEATURES = ("sse4_2", "avx", "fma", "avx2", "avx512f", "avx512vl", "avx512bw", "avx512dq", "amx_tile", "asimd", "sve")


@click.command()
@_options.as_json
def command(as_json: bool) -> None:
    """Show versions, kernels, threads and what this processor can do; put it into bug reports."""
    facts = _facts()
    if as_json:
        result_json(facts)
    else:
        result("\n".join(f"{name.replace('_', ' '):<20} {_text(value)}" for name, value in facts.items()))


def _facts() -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    from cnncli import __version__, _fast, runtime
    from cnncli._fast import _cpu

    model, features = _processor()
    return {
        "version": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "pillow", "pyyaml", "click", "tqdm")},
        "platform": platform.platform(),
        "processor": model or platform.machine(),
        "processor_features": features,
        "kernels": _fast.variant(),
        "kernels_available": _fast.available(),
        "openmp": _cpu.openmp(),
        "threads": runtime.threads(),
        "extras": _extras(),
    }


def _processor() -> tuple[str, list[str]]:
    """Model and those of its features that matter here, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            lines = dict(re.findall(r"^([^\t:]+?)\s*: *(.*)$", file.read(), re.MULTILINE))
    except OSError:
        return "", []
    there = (lines.get("flags") or lines.get("Features") or "").split()
    return lines.get("model name", ""), [name for name in FEATURES if name in there]


def _extras() -> dict[str, bool]:
    """The optional extras of this package, and whether everything that each asks for is installed."""
    from importlib.metadata import PackageNotFoundError, distribution, requires

    extras: dict[str, bool] = {}
    try:
        wanted = requires("cnncli") or []
    except PackageNotFoundError:  # run from its source
        return extras
    for requirement in wanted:
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if extra and name:
            try:
                distribution(name[0])
                there = True
            except PackageNotFoundError:
                there = False
            extras[extra[1]] = extras.get(extra[1], True) and there
    return extras


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(there)}" for name, there in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
